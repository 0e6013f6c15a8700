import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';
import { ProviderError, type ProviderErrorKind, type SendStop } from '../domain/error.ts';

/** Only what surely did nothing may be run again by Temporal; the workflow judges the rest. */
const RETRIED_BY_TEMPORAL = {
  not_dispatched: true,
  unsent: false,
  rate_limited: false,
  misconfigured: false,
  ambiguous: false,
} as const satisfies Record<ProviderErrorKind, boolean>;

/**
 * The one way from a failed send to a Temporal failure. Its details are what the workflow decides
 * by.
 * @param run.dispatched whether this send was claimed, by this run or an earlier one.
 * @param run.mayRepeat whether the provider deduplicates by our key: then a lost answer is asked
 * for by sending the same again.
 * @param run.isRepeat whether an earlier run may have got through: then no failure of this one
 * proves that nothing was done.
 * @param run.stop set where it was our own row that stopped the send.
 */
export function sendFailure(
  error: unknown,
  run: {
    readonly dispatched: boolean;
    readonly mayRepeat: boolean;
    readonly isRepeat?: boolean;
    readonly stop?: SendStop;
  },
): ApplicationFailure {
  const { dispatched } = run;
  const thrown = error instanceof ProviderError ? error : surprise(error, dispatched);
  const known = run.isRepeat === true ? doubt(thrown) : thrown;
  const { kind, message, providerCode, retryAfterMs, failureCode } = known;
  const isRetried = RETRIED_BY_TEMPORAL[kind] || (kind === 'ambiguous' && run.mayRepeat);
  return ApplicationFailure.create({
    type: kind,
    message,
    nonRetryable: !isRetried,
    ...(isRetried && retryAfterMs !== null ? { nextRetryDelay: retryAfterMs } : {}),
    details: [
      { kind, message, dispatched, providerCode, retryAfterMs, failureCode, ...stopOf(run) },
    ],
  });
}

function stopOf({ stop }: { readonly stop?: SendStop }) {
  return stop === undefined ? {} : { stop };
}

/**
 * Our own row stopped the send before it was claimed. `too_late`: nothing is to be sent any more.
 * `not_to_be_sent`: the payment or refund has gone on meanwhile, and its row says where to.
 */
export function stoppedSend(
  kind: 'unsent' | 'misconfigured' | 'ambiguous',
  message: string,
  stop?: SendStop,
): ApplicationFailure {
  const run = { dispatched: kind === 'ambiguous', mayRepeat: false };
  return sendFailure(new ProviderError(kind, message), stop === undefined ? run : { ...run, stop });
}

/** Nothing was sent, since the payer's phone rings; it may be tried again by the policy. */
export function busyPayer(message: string): ApplicationFailure {
  const busy = new ProviderError('unsent', message, { failureCode: 'payer_busy' });
  return sendFailure(busy, { dispatched: false, mayRepeat: false });
}

/** Nothing is sent again, and nobody knows what came of it: the workflow asks, and waits. */
export function lostSend(message: string): ApplicationFailure {
  const lost = new ProviderError('ambiguous', message);
  return sendFailure(lost, { dispatched: true, mayRepeat: false });
}

function doubt(error: ProviderError): ProviderError {
  if (error.kind === 'ambiguous') return error;
  const { providerCode, retryAfterMs } = error;
  const message = `an earlier try may have got through, and this one told nothing: ${error.message}`;
  return new ProviderError('ambiguous', message, { providerCode, retryAfterMs });
}

/** An error that nobody foresaw: before the dispatch nothing was sent, after it anything may be. */
function surprise(error: unknown, dispatched: boolean): ProviderError {
  const name = error instanceof Error ? error.name : 'unknown error';
  return dispatched
    ? new ProviderError('ambiguous', `failed after the dispatch: ${name}`)
    : new ProviderError('not_dispatched', `failed before the dispatch: ${name}`);
}

/** "Not yet" as a retry: expected, so no failure metric counts it, and the history stays short. */
export function notYet(message: string, nextRetryDelayMs: number): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'not_yet',
    message,
    nonRetryable: false,
    nextRetryDelay: nextRetryDelayMs,
    category: ApplicationFailureCategory.BENIGN,
  });
}
