import { refuseDisputed } from './disputes.ts';
import { invalidRequest, missing, noSuch } from './errors.ts';
import { type Form, textOf, textsOf } from './form.ts';
import { type Intents, newId, type Parts } from './intents.ts';
import type { Intent, Refund } from './ledger.ts';
import { pageOf } from './lists.ts';
import { findMethod } from './methods.ts';

export type Refunds = ReturnType<typeof openRefunds>;

/** Refunds; a success may be taken back (docs.stripe.com/refunds#failed-refunds). */
export function openRefunds(parts: Parts, intents: Intents) {
  const { ledger, events, settings } = parts;
  const save = async (refund: Refund, type: string) => {
    ledger.write({ kind: 'refund', refund });
    await events.tell(type, refund);
    return refund;
  };
  return {
    find(id: string): Refund {
      const refund = ledger.refunds.get(id);
      if (refund === undefined) throw noSuch('refund', id);
      return refund;
    },

    /** Stripe's support, say, finds another end for it. */
    decide: (refund: Refund, status: string) =>
      save({ ...refund, status, failure_reason: null }, 'refund.updated'),

    page: (form: Form) => pageOfRefunds(parts, form),

    async create(form: Form): Promise<Refund> {
      const intentId = textOf(form, 'payment_intent');
      if (intentId === null) throw missing('payment_intent');
      const intent = intents.find(intentId);
      const amount = checkAmount(parts, intent, textOf(form, 'amount'));
      const rule = findMethod(ledger, intent.payment_method ?? '').refund;
      const refund = await save(
        {
          id: newId('re'),
          object: 'refund',
          amount,
          charge: intent.latest_charge,
          payment_intent: intentId,
          currency: intent.currency,
          status: rule === 'pending' ? 'pending' : 'succeeded',
          reason: textOf(form, 'reason'),
          failure_reason: null,
          metadata: textsOf(form, 'metadata'),
          created: Math.floor(Date.now() / 1000),
        },
        'refund.created',
      );
      if (rule === 'pending') {
        const done = { ...refund, status: 'succeeded' };
        events.later(settings.refund_delay_ms, () => void save(done, 'refund.updated'));
      }
      if (rule === 'failed') {
        const back = { ...refund, status: 'failed', failure_reason: 'expired_or_canceled_card' };
        events.later(settings.refund_delay_ms, () => {
          void save(back, settings.refund_failure_event);
        });
      }
      return refund;
    },
  };
}

/** Of one PaymentIntent where it is named. */
function pageOfRefunds({ ledger }: Parts, form: Form) {
  const of = textOf(form, 'payment_intent');
  const isMeant = ({ payment_intent }: Refund) => of === null || payment_intent === of;
  return pageOf(ledger.refunds.values(), form, 'refund', isMeant);
}

/** @throws StripeFault as Stripe refuses what is not there to give back. */
function checkAmount({ ledger }: Parts, intent: Intent, wanted: string | null): number {
  const given = [...ledger.refunds.values()].filter(
    (it) => it.payment_intent === intent.id && it.status !== 'failed',
  );
  const left = intent.amount_received - given.reduce((sum, { amount }) => sum + amount, 0);
  const amount = Number(wanted ?? left);
  if (intent.status !== 'succeeded') {
    throw invalidRequest('charge_not_captured', 'It does not have a successful charge.');
  }
  refuseDisputed({ ledger }, intent.id);
  if (left === 0) {
    throw invalidRequest('charge_already_refunded', 'The charge was refunded already.');
  }
  if (amount > left) {
    const message = 'Refund amount is greater than the unrefunded amount.';
    throw invalidRequest('amount_too_large', message, 'amount');
  }
  return amount;
}
