import { type FailureCode, failure, type ProviderErrorKind } from '../domain/error.ts';
import { formatMoney } from '../domain/money.ts';
import { isOutcome, type LookupResult, type Outcome } from '../domain/outcome.ts';
import { CANCELED_UNSENT, type RecordRequest } from '../domain/payment-record.ts';
import { isClosed } from '../domain/payment-states.ts';
import { captureOrCancel, type Sent } from './activities.ts';
import { canLookUp, lookup } from './lookup.ts';
import type { Command } from './messages.ts';
import { applyOutcome } from './outcome.ts';
import type { PaymentRun } from './payment-run.ts';

/** Does what a merchant asked for, as far as the payment and the provider let us. */
export async function handleCommand(run: PaymentRun, command: Command): Promise<void> {
  if (!isClosed(run.status)) command.refusal = await COMMANDS[command.kind](run, command);
  command.isAnswered = true;
}

/** Each answers null, or why it did not go. */
const COMMANDS = { cancel, capture, verify } as const satisfies Record<
  Command['kind'],
  (run: PaymentRun, command: Command) => Promise<string | null>
>;

async function cancel(run: PaymentRun): Promise<string | null> {
  if (!run.mayBeAtProvider) {
    const { provenUnsent } = run;
    const recorded = await run.record({ ...CANCELED_UNSENT, provenUnsent });
    if (recorded.mayBeAtProvider !== true) return null;
    run.markSent();
  }
  // Where nobody can tell, authorized money needs a person; all else is asked about anyway.
  const key = `cancel/${run.status}`;
  const why = { code: 'canceled_by_merchant', actor: 'merchant', key } as const;
  const obstacle = await cancelAtProvider(run, why);
  if (obstacle === null) return null;
  if (!obstacle.isUnclear || run.status !== 'authorized') return obstacle.message;
  const cause = `whether it was canceled is not known: ${obstacle.message}`;
  return await reviewUnclear(run, 'cancel-unclear', cause);
}

type Why = {
  readonly code: FailureCode;
  readonly actor: RecordRequest['actor'];
  readonly key: string;
};
/** Why something that should have ended goes on; unclear where nobody knows whether it does. */
type Obstacle = { readonly message: string; readonly isUnclear: boolean };

/**
 * Ends at the provider what was not yet paid. When the payer was faster, that is what is recorded.
 * @returns null when the payment has ended, or why that is not so or not known.
 */
export async function cancelAtProvider(run: PaymentRun, why: Why): Promise<Obstacle | null> {
  const { can, amountMinor } = run.input;
  if (!can.cancel) return { message: 'the provider cannot cancel', isUnclear: false };
  const end = await endAuthorization('cancel', run, amountMinor);
  if (end.kind !== 'reported') return { message: end.message, isUnclear: end.kind === 'unclear' };
  const { outcome } = end;
  if (outcome.kind === run.status) return { message: 'it is still held', isUnclear: false };
  const key = run.numbered(why.key);
  if (outcome.kind !== 'canceled') {
    const cause = 'the provider’s answer to a cancel';
    await applyOutcome(run, { outcome, key, cause, eventId: null });
    return isClosed(run.status) ? null : { message: `it is ${outcome.kind}`, isUnclear: false };
  }
  await run.record({
    key,
    action: 'payment.canceled',
    actor: why.actor,
    cause: `let go at the provider: ${why.code}`,
    event: 'canceled',
    outcome: { ...outcome, failure: failure(why.code) },
  });
  return null;
}

async function capture(run: PaymentRun, command: Command): Promise<string | null> {
  if (run.status !== 'authorized') return `it is ${run.status}`;
  const { amountMinor, currency } = run.input;
  const money = { amountMinor: command.amountMinor ?? amountMinor, currency };
  const end = await endAuthorization('capture', run, money.amountMinor);
  if (end.kind === 'unclear') {
    const cause = `whether ${formatMoney(money)} was captured is not known: ${end.message}`;
    return await reviewUnclear(run, 'capture-unclear', cause);
  }
  if (end.kind === 'reported' && end.outcome.kind !== 'authorized') {
    const key = run.numbered('captured');
    const cause = `captured ${formatMoney(money)} on the merchant’s word`;
    await applyOutcome(run, { outcome: end.outcome, key, cause, eventId: null });
    return null;
  }
  const refused = end.kind === 'refused' ? end.message : 'it is still authorized';
  return `${refused}; it stays authorized and may be captured again`;
}

async function verify(run: PaymentRun, command: Command): Promise<string | null> {
  const { by = 'the merchant' } = command;
  const { input, providerPaymentId } = run;
  if (!canLookUp(input, providerPaymentId)) return 'there is no id to ask by';
  command.isAsked = true;
  const answer = await lookup(input, providerPaymentId, input.policy.lookup.timeout_ms + 1_000);
  if (answer === null || !isOutcome(answer)) return 'the provider says nothing definite';
  if (answer.kind === run.status) return null;
  const cause = `the provider’s status query, asked for by ${by}`;
  const key = run.numbered(`verify/${run.status}`);
  await applyOutcome(run, { outcome: answer, key, cause, eventId: null });
  return null;
}

async function reviewUnclear(run: PaymentRun, key: string, cause: string): Promise<string> {
  await run.sendToReview({ key: run.numbered(key), cause });
  return `${cause}; the payment is in review`;
}

/**
 * How a capture or cancel ended. `reported`: what the payment is now, by the provider. `refused`:
 * it was not done. `unclear`: nobody could tell.
 */
type End =
  | { readonly kind: 'reported'; readonly outcome: Outcome }
  | { readonly kind: 'refused' | 'unclear'; readonly message: string };

/** Which failures prove that the provider did nothing. */
const IS_PROOF = {
  unsent: true,
  rate_limited: true,
  misconfigured: true,
  ambiguous: false,
  not_dispatched: false,
} as const satisfies Record<ProviderErrorKind, boolean>;

/**
 * Captures or cancels what the provider has of the current attempt, and asks what became of it
 * where the answer is unclear. The next one goes by another key only after a proof that this one
 * did nothing: a provider may replay a lost answer under its key for ever.
 */
async function endAuthorization(
  step: 'capture' | 'cancel',
  run: PaymentRun,
  amountMinor: number,
): Promise<End> {
  const { providerPaymentId } = run;
  if (providerPaymentId === null) {
    return { kind: 'refused', message: 'the provider’s id of it is not known yet' };
  }
  const ordinal = run.ordinals[step];
  const key = ordinal === 1 ? {} : { ordinal };
  const sent = await captureOrCancel(step, run.input, { providerPaymentId, amountMinor, ...key });
  const isRefused = sent.kind === 'failed' && IS_PROOF[sent.failure.kind];
  const end = await endOf(run, providerPaymentId, sent, isRefused);
  const isHeld = end.kind === 'reported' && end.outcome.kind === 'authorized';
  if (isHeld || isRefused) run.ordinals[step] += 1;
  return end;
}

async function endOf(
  { input }: PaymentRun,
  providerPaymentId: string,
  sent: Sent<LookupResult>,
  isRefused: boolean,
): Promise<End> {
  const result = sent.kind === 'answered' ? sent.result : null;
  if (result !== null && isOutcome(result)) return { kind: 'reported', outcome: result };
  const message = result?.message ?? (sent.kind === 'failed' ? sent.failure.message : '');
  if (isRefused) return { kind: 'refused', message };
  const answer = await lookup(input, providerPaymentId, input.policy.lookup.timeout_ms * 2);
  if (answer !== null && isOutcome(answer)) return { kind: 'reported', outcome: answer };
  return { kind: 'unclear', message };
}
