import { makeId } from '../../domain/id.ts';
import type { Currency } from '../../domain/money.ts';
import type { ProviderName } from '../../providers/index.ts';
import { type Chance, createChance } from './chance.ts';
import { CERTAIN, chooseEnding, type Ending, FAILED, type RefundEnding } from './endings.ts';
import { choosePayer, type Payer, SHOPS, type Shop } from './shops.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
export const DAYS = 30;

/** A payment as it is to be told, with all its times. */
export type PlannedPayment = {
  readonly number: number;
  readonly shop: Shop;
  readonly id: string;
  readonly attemptId: string;
  readonly provider: ProviderName;
  readonly amountMinor: number;
  readonly currency: Currency;
  readonly payer: Payer;
  readonly item: string;
  readonly ending: Ending;
  readonly createdMs: number;
  readonly endedMs: number;
  readonly refund: PlannedRefund | null;
  /** For what is left to choose. */
  readonly chance: Chance;
};
export type PlannedRefund = RefundEnding & {
  readonly id: string;
  readonly amountMinor: number;
  readonly createdMs: number;
  readonly endedMs: number;
};

/** Sold more from week to week, less on Sundays; busiest at noon and in the evening (UTC+3). */
// table
const HOURS = [1, 1, 1, 1, 1, 2, 4, 6, 7, 8, 9, 11, 13, 12, 9, 8, 9, 11, 13, 14, 11, 8, 5, 2];
const UTC_OFFSET_HOURS = 3;
const SUNDAY_SHARE = 0.6;

const RECENT = { created: true, processing: true, requires_action: true, authorized: true };
const isRecent = ({ status }: Ending) => Object.hasOwn(RECENT, status);

/**
 * What happened in the 30 days before `anchorMs`, in the order in which it began. The same seed and
 * anchor give the same payments, to the last digit.
 */
export function planPayments(
  seed: number,
  anchorMs: number,
  count: number,
): readonly PlannedPayment[] {
  const planned = Array.from({ length: count }, (_, number) =>
    planPayment(createChance(seed, `payment ${number}`), number, anchorMs),
  );
  return planned.toSorted((a, b) => a.createdMs - b.createdMs);
}

function planPayment(chance: Chance, number: number, anchorMs: number): PlannedPayment {
  const ending = CERTAIN[number] ?? chooseEnding(chance);
  const shop = chance.weigh(SHOPS.map((it) => [it, it.share] as const));
  const provider = chooseProvider(chance, ending);
  const createdMs = isRecent(ending)
    ? anchorMs - chance.between(2, 40) * MINUTE_MS
    : chooseTime(chance, anchorMs);
  const [least, most] = SECONDS[provider];
  const endedMs = createdMs + chance.between(least, most) * 1000 + chance.between(1, 999);
  const money = chooseMoney(chance, shop, provider);
  const idOf = (kind: 'payment' | 'attempt') =>
    makeId(kind, { nowMs: createdMs, random: chance.bytes(10) });
  const base = {
    number,
    shop,
    id: idOf('payment'),
    attemptId: idOf('attempt'),
    provider,
    ...money,
    payer: choosePayer(chance),
    item: chance.pick<string>(shop.items),
    ending,
    createdMs,
    endedMs,
    chance,
  };
  return { ...base, refund: planRefund(base, anchorMs) };
}

/** How long a payment takes from its creation to its end. */
const SECONDS = {
  mpesa: [4, 38],
  stripe: [1, 3],
  cpay: [1, 6],
} as const satisfies Partial<Record<ProviderName, readonly [number, number]>>;
const PROVIDERS = [
  ['mpesa', 72],
  ['stripe', 18],
  ['cpay', 10],
] as const satisfies readonly (readonly [keyof typeof SECONDS, number])[];

function chooseProvider(chance: Chance, ending: Ending): keyof typeof SECONDS {
  if ('failure' in ending) return FAILED[ending.failure].provider;
  if (ending.status === 'requires_action' || ending.status === 'authorized') return 'stripe';
  return ending.status === 'needs_review' ? 'mpesa' : chance.weigh(PROVIDERS);
}

function chooseTime(chance: Chance, anchorMs: number): number {
  const days = Array.from({ length: DAYS }, (_, back) => {
    const weekday = new Date(anchorMs - back * DAY_MS).getUTCDay();
    const growth = 2 - back / DAYS;
    return [back, weekday === 0 ? growth * SUNDAY_SHARE : growth] as const;
  });
  const hour = chance.weigh(HOURS.map((weight, index) => [index, weight] as const));
  const midnightMs = Math.floor(anchorMs / DAY_MS) * DAY_MS - chance.weigh(days) * DAY_MS;
  const withinHourMs = Math.floor(chance.fraction() * HOUR_MS);
  const at = midnightMs + (hour - UTC_OFFSET_HOURS) * HOUR_MS + withinHourMs;
  // What would still be to come happened at that time of the day before.
  return at > anchorMs - HOUR_MS ? at - DAY_MS : at;
}

function chooseMoney(
  chance: Chance,
  { least, most }: Shop,
  provider: ProviderName,
): { readonly amountMinor: number; readonly currency: Currency } {
  // Small sums are many.
  const shillings = Math.round(least + (most - least) * chance.fraction() ** 2);
  const isForeign = provider === 'stripe' && chance.fraction() < 0.6;
  if (isForeign)
    return { amountMinor: Math.max(100, Math.round(shillings / 1.29)), currency: 'USD' };
  return { amountMinor: shillings * 100, currency: 'KES' };
}

function planRefund(
  payment: Omit<PlannedPayment, 'refund'>,
  anchorMs: number,
): PlannedRefund | null {
  const { ending, chance, endedMs, amountMinor } = payment;
  if (ending.status !== 'succeeded' || ending.refund === null) return null;
  const latestMs = anchorMs - 10 * MINUTE_MS;
  const wishedMs = endedMs + chance.between(20, 72 * 60) * MINUTE_MS;
  const isOpen = ending.refund.status === 'pending';
  const createdMs = isOpen || wishedMs > latestMs ? latestMs : wishedMs;
  const half = Math.max(100, Math.floor(amountMinor / 200) * 100);
  return {
    ...ending.refund,
    id: makeId('refund', { nowMs: createdMs, random: chance.bytes(10) }),
    amountMinor: ending.refund.isPartial ? half : amountMinor,
    createdMs,
    endedMs: createdMs + chance.between(2, 90) * 1000,
  };
}
