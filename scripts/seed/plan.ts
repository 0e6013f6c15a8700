import { createHash } from 'node:crypto';
import type { CreatePayment } from '../../client/index.ts';

/** All of it is made up: how often each sells, and for how many shillings. */
// biome-ignore format: table, one shop per line
export const SHOPS = [
  { name: 'Duka la Mama Njeri', share: 5, least: 50, most: 4_500, items: ['Unga 2 kg', 'Maziwa', 'Sukari 1 kg'] },
  { name: 'Savanna Threads', share: 3, least: 800, most: 12_000, items: ['Kitenge dress', 'Kikoi', 'Sandals'] },
  { name: 'Karibu Tours', share: 2, least: 3_500, most: 95_000, items: ['Hell’s Gate by bike', 'SGR transfer'] },
] as const;

/** What is done with a payment after it was made; `hold`: it stays authorized. */
export type Step =
  | 'refund'
  | 'part'
  | 'capture'
  | 'cancel'
  | 'hold'
  | '3ds'
  | 'no_3ds'
  | 'late'
  | 'twice';

/**
 * What happens and how often. First what a simulator goes by: a phone's last digits, a card, an
 * amount's last digits (providers/<name>/README.md). Then the weight, 0 for what happens once; the
 * step; and how many minutes ago at most, where it stays open or waits for a person.
 */
type Kind = readonly [by: string, weight: number, step?: Step | null, minutes?: number];
// biome-ignore format: table, some kinds per line
const KINDS: Readonly<Record<'mpesa' | 'stripe' | 'cpay', readonly Kind[]>> = {
  mpesa: [
    ['', 110], ['', 5, 'refund'], ['', 5, 'part'], ['', 0, 'twice'], ['01', 12], ['02', 7], ['03', 10],
    ['04', 2], ['05', 10], ['05', 0, 'late', 3_000], ['05', 0, 'late', 3_000], ['07', 0, null, 90], ['08', 5], ['10', 3], ['11', 3],
  ],
  stripe: [
    ['visa', 22], ['mastercard', 10], ['visa', 3, 'part'], ['pendingRefund', 1, 'refund'],
    ['refundFail', 1, 'refund'], ['createDispute', 1], ['authenticationRequired', 5, '3ds'],
    ['authenticationRequired', 2, 'no_3ds'], ['authenticationRequired', 0, null, 20],
    ['visa_chargeDeclined', 3], ['visa_chargeDeclinedInsufficientFunds', 4],
    ['visa_chargeDeclinedLostCard', 1], ['chargeDeclinedExpiredCard', 2],
    ['chargeDeclinedIncorrectCvc', 2], ['chargeDeclinedProcessingError', 1],
    ['visa', 4, 'capture'], ['visa', 2, 'cancel'], ['visa', 0, 'hold', 2_000],
  ],
  cpay: [
    ['00', 16], ['01', 2], ['02', 2], ['03', 4], ['04', 2], ['05', 0, null, 15], ['06', 1],
    ['10', 1, 'refund'], ['11', 1, 'refund'], ['12', 0, null, 4_000], ['14', 1, 'refund'],
  ],
};
const KINDS_IN_ORDER = (['mpesa', 'stripe', 'cpay'] as const).flatMap((provider) =>
  KINDS[provider].map((kind) => [provider, ...kind] as const),
);
/** Fewer payments are not of every kind. */
export const PAYMENTS_LEAST = KINDS_IN_ORDER.length;

export type Planned = {
  readonly key: string;
  readonly shop: string;
  readonly body: CreatePayment;
  readonly step: Step | null;
  /** It may stay on its way for minutes. */
  readonly isOpen: boolean;
  readonly atMs: number;
};
type Asked = { readonly seed: number; readonly payments: number; readonly days: number };

/** Sold less at night and on Sundays, more from week to week; most at noon and in the evening. */
// table
const HOURS = [1, 1, 1, 1, 1, 2, 4, 6, 7, 8, 9, 11, 13, 12, 9, 8, 9, 11, 13, 14, 11, 8, 5, 2];
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NAIROBI_MS = 3 * HOUR_MS;
const FIRST = ['Wanjiku', 'Otieno', 'Achieng', 'Kiprop', 'Amina', 'Mutua', 'Njoroge', 'Halima'];
const LAST = ['Kamau', 'Odhiambo', 'Wafula', 'Chebet', 'Hassan', 'Musyoka', 'Gathoni', 'Barasa'];
/** A customer comes again only after all others: no phone rings twice at the same time. */
const CUSTOMERS = 160;

/** In order of time, at least one of each kind. The same seed and end plan the same. */
export function planPayments(asked: Asked, endMs: number): readonly Planned[] {
  const chosen = Array.from({ length: asked.payments }, (_, nth) => {
    const draw = createDraw(`${asked.seed}/${nth}`);
    const [provider, by, , step = null, minutes] =
      KINDS_IN_ORDER[nth] ?? pick(draw, KINDS_IN_ORDER, ([, , weight]) => weight);
    const atMs = chooseTime(draw, asked.days, endMs);
    const openMs = endMs - draw() * 60_000 * (minutes ?? 0);
    const isOpen = minutes !== undefined;
    return { provider, by, step, isOpen, atMs: isOpen ? openMs : atMs, draw };
  });
  return chosen
    .toSorted((a, b) => a.atMs - b.atMs)
    .map(({ provider, by, step, isOpen, atMs, draw }, place) => {
      const shop = pick(draw, SHOPS, ({ share }) => share);
      // Small sums are many.
      const price = Math.round(shop.least + (shop.most - shop.least) * draw() ** 2);
      const who = (place * 7) % CUSTOMERS;
      const name = `${FIRST[who % 8]} ${LAST[Math.floor(who / 8) % 8]}`;
      const phone = `+25470${10_000 + who}${by || 20 + (who % 80)}`;
      const isHeld = step === 'capture' || step === 'cancel' || step === 'hold';
      const body: CreatePayment = {
        provider,
        amount: provider === 'stripe' ? Math.max(100, price) : price * 100,
        currency: provider === 'stripe' ? 'USD' : 'KES',
        customer: { id: `customer-${who}`, name },
        reference: `INV-${10_000 + place}`,
        description: pick(draw, shop.items, () => 1),
      };
      if (provider === 'mpesa') body.customer = { ...body.customer, phone };
      if (provider === 'cpay') body.amount += Number(by);
      if (provider === 'stripe') {
        body.payment_method = `pm_card_${by}`;
        body.return_url = 'https://shop.example.test/back';
        body.capture_method = isHeld ? 'manual' : 'automatic';
      }
      return { key: `seed-${asked.seed}-${place}`, shop: shop.name, body, step, isOpen, atMs };
    });
}

function chooseTime(draw: () => number, days: number, endMs: number): number {
  const isSunday = (back: number) => new Date(endMs - back * DAY_MS).getUTCDay() === 0;
  const weigh = (back: number) => (2 - back / days) * (isSunday(back) ? 0.6 : 1);
  const back = pick(draw, [...Array(days).keys()], weigh);
  const hour = pick(draw, [...HOURS.keys()], (it) => HOURS[it] ?? 0);
  const midnightMs = Math.floor((endMs + NAIROBI_MS) / DAY_MS) * DAY_MS - NAIROBI_MS;
  const atMs = midnightMs - back * DAY_MS + (hour + draw()) * HOUR_MS;
  // What would still be to come happened at that time of the day before.
  return atMs > endMs ? atMs - DAY_MS : atMs;
}

/** Numbers from 0 up to 1 that follow from the name. */
function createDraw(name: string): () => number {
  let state = Buffer.from(name);
  return () => {
    state = createHash('sha256').update(state).digest();
    return state.readUIntBE(0, 6) / 2 ** 48;
  };
}

/** The greater its weight, the more often a value comes out. */
function pick<T>(draw: () => number, list: readonly T[], weightOf: (it: T) => number): T {
  let left = draw() * list.reduce((sum, it) => sum + weightOf(it), 0);
  for (const it of list) {
    left -= weightOf(it);
    if (left < 0) return it;
  }
  throw new RangeError('there is nothing to pick from');
}
