import { randomBytes } from 'node:crypto';
import type { Charge, Refund } from '../wire.ts';
import type { Ledger, SimulatedCharge } from './ledger.ts';
import { ruleFor } from './rules.ts';
import type { Settings } from './settings.ts';
import type { Webhooks } from './webhooks.ts';

/** A refusal as CPay sends it. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly field: string | null;

  constructor(status: number, code: string, field: string | null = null) {
    super(code);
    this.status = status;
    this.code = code;
    this.field = field;
  }
}

export type ChargeOrder = {
  readonly amount: number;
  readonly currency: string;
  readonly capture: boolean;
  readonly callback_url: string;
  readonly metadata: Readonly<Record<string, string>>;
};
type Parts = { readonly ledger: Ledger; readonly settings: Settings; readonly webhooks: Webhooks };

const newId = (prefix: string) => `${prefix}_${randomBytes(12).toString('hex')}`;
const newReceipt = () => `CP${randomBytes(5).toString('hex').toUpperCase()}`;

/** The account's money: what is charged, taken and given back. */
export function openAccount({ ledger, settings, webhooks }: Parts) {
  const save = (charge: SimulatedCharge) => {
    ledger.write({ kind: 'charge', charge });
    return charge;
  };
  const tell = (charge: SimulatedCharge) =>
    webhooks.send(charge.callback_url, 'charge.updated', shownOf(charge));
  const findCharge = (id: string) => {
    const charge = ledger.charges.get(id);
    if (charge === undefined) throw new Refusal(404, 'no_such_charge', 'charge');
    return charge;
  };

  return {
    charge: (order: ChargeOrder) => startCharge({ ledger, settings, webhooks }, order),

    capture(id: string, amount: number): SimulatedCharge {
      const charge = findCharge(id);
      if (charge.status !== 'authorized') return charge;
      if (amount > charge.amount) throw new Refusal(422, 'amount_too_large', 'amount');
      const captured = save({
        ...charge,
        status: 'succeeded',
        amount_captured: amount,
        receipt: newReceipt(),
      });
      tell(captured);
      return captured;
    },

    cancel(id: string): SimulatedCharge {
      const charge = findCharge(id);
      if (charge.status !== 'authorized' && charge.status !== 'pending') return charge;
      const canceled = save({ ...charge, status: 'canceled' });
      tell(canceled);
      return canceled;
    },

    refund(id: string, amount: number, metadata: Refund['metadata']): Refund {
      const charge = findCharge(id);
      if (charge.status !== 'succeeded') throw new Refusal(422, 'not_captured', 'charge');
      if (amount > leftOf(ledger, charge)) throw new Refusal(422, 'already_refunded', 'amount');
      return startRefund({ ledger, settings, webhooks }, charge, amount, metadata);
    },

    /** What a pending charge turns into, without waiting. */
    decideNow(id: string): SimulatedCharge {
      const charge = findCharge(id);
      const { later } = ruleFor(charge.amount);
      if (charge.status !== 'pending' || !later) return charge;
      const decided = save(decide(charge, later));
      tell(decided);
      return decided;
    },

    find: findCharge,
  };
}
export type Account = ReturnType<typeof openAccount>;

async function startCharge(
  { ledger, settings, webhooks }: Parts,
  order: ChargeOrder,
): Promise<SimulatedCharge> {
  const save = (charge: SimulatedCharge) => {
    ledger.write({ kind: 'charge', charge });
    return charge;
  };
  const tell = (charge: SimulatedCharge) =>
    webhooks.send(charge.callback_url, 'charge.updated', shownOf(charge));
  const rule = ruleFor(order.amount);
  const isHeld = rule.status === 'succeeded' && !order.capture;
  const charge = save(makeCharge(order, isHeld ? 'authorized' : rule.status));
  if (settings.webhook === 'early') {
    await webhooks.sendNow(charge.callback_url, 'charge.updated', shownOf(charge));
  }
  tell(charge);
  if (rule.later) {
    const status = rule.later;
    webhooks.later(settings.decide_after_ms, () => {
      const now = ledger.charges.get(charge.id) ?? charge;
      if (now.status === 'pending') tell(save(decide(now, status)));
    });
  }
  return charge;
}

function leftOf({ refunds }: Ledger, { id, amount_captured }: SimulatedCharge): number {
  const given = [...refunds.values()].filter((it) => it.charge === id && it.status !== 'failed');
  return amount_captured - given.reduce((sum, { amount }) => sum + amount, 0);
}

function makeCharge(order: ChargeOrder, status: Charge['status']): SimulatedCharge {
  const rule = ruleFor(order.amount);
  const isPaid = status === 'succeeded';
  return {
    id: newId('chg'),
    object: 'charge',
    status,
    amount: order.amount,
    amount_captured: isPaid ? order.amount : 0,
    currency: order.currency,
    decline_code: status === 'declined' ? (rule.decline_code ?? 'declined') : null,
    receipt: isPaid ? newReceipt() : null,
    metadata: { ...order.metadata },
    callback_url: order.callback_url,
    created: new Date().toISOString(),
  };
}

function decide(charge: SimulatedCharge, status: Charge['status']): SimulatedCharge {
  const { decline_code = 'declined' } = ruleFor(charge.amount);
  return status === 'succeeded'
    ? { ...charge, status, amount_captured: charge.amount, receipt: newReceipt() }
    : { ...charge, status, decline_code };
}

/** What leaves of a charge. */
export function bareOf(charge: SimulatedCharge): Charge & { readonly created: string } {
  const { id, object, status, amount, amount_captured, currency } = charge;
  const { decline_code, receipt, metadata, created } = charge;
  const money = { amount, amount_captured, currency };
  return { id, object, status, ...money, decline_code, receipt, metadata, created };
}

/** For one rule the webhook names another amount than was taken. */
export function shownOf(charge: SimulatedCharge): Charge & { readonly created: string } {
  const shown = bareOf(charge);
  const isWrong = ruleFor(charge.amount).wrong_amount === true && charge.status === 'succeeded';
  return isWrong ? { ...shown, amount_captured: charge.amount + 1 } : shown;
}

function startRefund(
  { ledger, settings, webhooks }: Parts,
  charge: SimulatedCharge,
  amount: number,
  metadata: Refund['metadata'],
): Refund {
  const rule = ruleFor(charge.amount).refund;
  const write = (refund: Refund) => {
    ledger.write({ kind: 'refund', refund });
    webhooks.send(charge.callback_url, 'refund.updated', refund);
    return refund;
  };
  const refund = write({
    id: newId('rfd'),
    object: 'refund',
    charge: charge.id,
    status: rule === 'pending' || rule === 'failed' ? rule : 'succeeded',
    amount,
    currency: charge.currency,
    failure_code: rule === 'failed' ? 'refused' : null,
    metadata,
  });
  if (rule === 'pending') {
    webhooks.later(settings.decide_after_ms, () => write({ ...refund, status: 'succeeded' }));
  }
  if (rule === 'taken_back') {
    const back = { ...refund, status: 'failed', failure_code: 'refused' } as const;
    webhooks.later(settings.decide_after_ms, () => write(back));
  }
  return refund;
}
