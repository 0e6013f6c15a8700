import { failure } from '../../domain/error.ts';
import type { Outcome } from '../../domain/outcome.ts';
import type { RecordRequest } from '../../domain/payment-record.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import { type Ending, FAILED } from './endings.ts';
import type { PlannedPayment } from './plan.ts';

/** One step of a payment after it was sent, in the words that a workflow would have used. */
export type Step = Pick<RecordRequest, 'key' | 'action' | 'actor' | 'cause'> &
  Partial<
    Pick<
      RecordRequest,
      'event' | 'outcome' | 'nextAction' | 'reviewReason' | 'waitingFor' | 'waitMs'
    >
  > & {
    /** The callback that told it, and what became of that. */
    readonly callback?: 'applied' | 'parked';
  };

const MINUTE_MS = 60_000;
const HOLD_MS = 6 * 24 * 60 * MINUTE_MS;
const REVIEW_MS = 60 * MINUTE_MS;

/** What the provider gave its side of the payment, by its own kind of id. */
export type ProviderIds = { readonly providerPaymentId: string; readonly receipt: string };

/** True where the payment got as far as its provider. */
export function isSent({ ending }: PlannedPayment): boolean {
  if (ending.status === 'created') return false;
  return !('failure' in ending) || ending.failure !== 'canceled_by_merchant';
}

/** The story after the sending, from the first answer to the end. */
export function tellStory(payment: PlannedPayment, ids: ProviderIds): readonly Step[] {
  const { ending } = payment;
  return isSent(payment) ? WAYS[ending.status](payment, ids) : unsent(ending);
}

type Way = (payment: PlannedPayment, ids: ProviderIds) => readonly Step[];

const WAYS: Readonly<Record<PaymentStatus, Way>> = {
  created: () => [],
  processing: ({ provider }) => [accepted(provider)],
  requires_action: () => [authentication()],
  authorized: (payment, ids) => [held(payment, ids)],
  succeeded: (payment, ids) => {
    const { provider, chance } = payment;
    const outcome = taken(payment, ids);
    if (provider !== 'stripe') {
      // Some callbacks never come; the status query knows no receipt, and refunds need one.
      const isRescued = provider === 'mpesa' && payment.refund === null && chance.fraction() < 0.08;
      const end = isRescued ? asked({ ...outcome, receipt: null }) : called('succeeded', outcome);
      return [accepted(provider), end];
    }
    const first = chance.weigh([
      [null, 6],
      [authentication(), 3],
      [held(payment, ids), 1],
    ]);
    return first === null
      ? [answered('succeeded', outcome)]
      : [first, called('succeeded', outcome)];
  },
  failed: failedWay,
  canceled: failedWay,
  needs_review: reviewWay,
};

function unsent(ending: Ending): readonly Step[] {
  if (!('failure' in ending)) return [];
  const outcome: Outcome = {
    kind: 'canceled',
    providerPaymentId: null,
    receipt: null,
    money: null,
    failure: failure(ending.failure),
    providerCode: null,
  };
  const cause = 'canceled before anything was sent';
  return [
    {
      key: 'canceled',
      action: 'payment.canceled',
      actor: 'merchant',
      cause,
      event: 'canceled',
      outcome,
    },
  ];
}

function failedWay(payment: PlannedPayment, ids: ProviderIds): readonly Step[] {
  const { ending, provider } = payment;
  if (!('failure' in ending)) return [];
  const outcome = refused(payment, ids);
  const event = ending.status === 'canceled' ? 'canceled' : 'declined';
  if (ending.failure === 'authorization_expired') {
    return [
      held(payment, ids),
      { ...answered(event, outcome), key: 'expired', cause: 'its time is over' },
    ];
  }
  if (ending.failure === 'authentication_failed') return [authentication(), called(event, outcome)];
  if (provider === 'stripe') return [answered(event, outcome)];
  return [accepted(provider), called(event, outcome)];
}

function reviewWay(payment: PlannedPayment, ids: ProviderIds): readonly Step[] {
  const { ending, provider } = payment;
  if (ending.status !== 'needs_review') return [];
  const review = { reviewReason: ending.reason, waitingFor: 'review', waitMs: REVIEW_MS } as const;
  const gaveUp: Step = {
    key: 'gave-up',
    action: 'payment.review_needed',
    actor: ending.reason === 'history_lost' ? 'sweeper' : 'workflow',
    cause: 'nobody could tell the outcome',
    event: 'gave_up',
    ...review,
  };
  if (ending.reason === 'amount_mismatch') {
    return [
      accepted(provider),
      { ...gaveUp, cause: 'the amount does not match', callback: 'parked' },
    ];
  }
  if (ending.reason !== 'late_success') return [accepted(provider), gaveUp];
  const unpaid = { ...taken(payment, ids), kind: 'declined', receipt: null, money: null } as const;
  const late = called('succeeded', taken(payment, ids));
  return [
    accepted(provider),
    asked({ ...unpaid, failure: failure('payer_unreachable', '1037'), providerCode: '1037' }),
    { ...late, action: 'payment.late_outcome', ...review },
  ];
}

function accepted(provider: string): Step {
  const isPrompt = provider === 'mpesa';
  return {
    key: 'accepted',
    action: 'payment.provider_accepted',
    actor: 'provider',
    cause: isPrompt ? 'the prompt is on its way to the payer' : 'the provider is at it',
    waitingFor: 'callback',
    waitMs: MINUTE_MS,
  };
}

function authentication(): Step {
  return {
    key: 'action-required',
    action: 'payment.action_required',
    actor: 'provider',
    cause: 'the payer has to authenticate',
    event: 'action_required',
    nextAction: { type: 'redirect_to_url', url: 'https://bank.example.test/3ds' },
    waitingFor: 'payer_action',
    waitMs: 30 * MINUTE_MS,
  };
}

const settled = { action: 'payment.settled', actor: 'provider' } as const;

function held(payment: PlannedPayment, ids: ProviderIds): Step {
  const outcome: Outcome = { ...taken(payment, ids), kind: 'authorized' };
  return { ...answered('authorized', outcome), waitingFor: 'capture', waitMs: HOLD_MS };
}

function answered(event: Step['event'], outcome: Outcome): Step {
  return {
    ...settled,
    key: 'charge',
    cause: 'the provider’s answer',
    event: event ?? null,
    outcome,
  };
}

function asked(outcome: Outcome): Step {
  const event = outcome.kind === 'succeeded' ? 'succeeded' : 'declined';
  return { ...settled, key: 'lookup', cause: 'the provider’s status query', event, outcome };
}

function called(event: Step['event'], outcome: Outcome): Step {
  const key = `callback/${event}`;
  return { ...settled, key, cause: 'callback', event: event ?? null, outcome, callback: 'applied' };
}

function taken({ amountMinor, currency }: PlannedPayment, ids: ProviderIds): Outcome {
  const money = { amountMinor, currency };
  return { kind: 'succeeded', ...ids, money, failure: null, providerCode: '0' };
}

function refused({ ending }: PlannedPayment, { providerPaymentId }: ProviderIds): Outcome {
  if (!('failure' in ending)) throw new Error(`a payment that ${ending.status} was not refused`);
  const { code, status } = FAILED[ending.failure];
  return {
    kind: status === 'canceled' ? 'canceled' : 'declined',
    providerPaymentId,
    receipt: null,
    money: null,
    failure: failure(ending.failure, code),
    providerCode: code,
  };
}
