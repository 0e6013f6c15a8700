import { invalidRequest, noSuch } from './errors.ts';
import { type Intents, newId, type Parts } from './intents.ts';
import type { Dispute } from './ledger.ts';

export type DisputeOrder = {
  readonly payment_intent: string;
  /** All that was taken, unless it names a part. */
  readonly amount?: number;
  /** `warning_…` for an inquiry. */
  readonly status?: string;
};

const ENDED = ['won', 'lost', 'warning_closed'];

/** What payers' banks ask back (docs.stripe.com/disputes/how-disputes-work). */
export function openDisputes({ ledger, events }: Parts, intents: Pick<Intents, 'find'>) {
  const save = async (dispute: Dispute, type: string) => {
    ledger.write({ kind: 'dispute', dispute });
    await events.tell(`charge.dispute.${type}`, dispute);
    return dispute;
  };
  return {
    open(order: DisputeOrder): Promise<Dispute> {
      const intent = intents.find(order.payment_intent);
      const dispute: Dispute = {
        id: newId('dp'),
        object: 'dispute',
        amount: order.amount ?? intent.amount_received,
        currency: intent.currency,
        charge: intent.latest_charge,
        payment_intent: intent.id,
        reason: 'fraudulent',
        status: order.status ?? 'needs_response',
      };
      return save(dispute, 'created');
    },

    /** The bank goes on with it, or decides. */
    decide(id: string, status: string): Promise<Dispute> {
      const dispute = ledger.disputes.get(id);
      if (dispute === undefined) throw noSuch('dispute', id);
      return save({ ...dispute, status }, ENDED.includes(status) ? 'closed' : 'updated');
    },
  };
}
export type Disputes = ReturnType<typeof openDisputes>;

/** @throws StripeFault where a dispute decides about the charge; an inquiry takes no money yet. */
export function refuseDisputed({ ledger }: Pick<Parts, 'ledger'>, paymentIntent: string): void {
  const isAgainst = ({ payment_intent, status }: Dispute) =>
    payment_intent === paymentIntent && status !== 'won' && !status.startsWith('warning_');
  if (![...ledger.disputes.values()].some(isAgainst)) return;
  throw invalidRequest('charge_disputed', 'The charge has been charged back.');
}
