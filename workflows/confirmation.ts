import { sleep } from '@temporalio/workflow';
import { isOutcome, type LookupResult, type Outcome } from '../domain/outcome.ts';
import { isClosed } from '../domain/payment-states.ts';
import { promptLifeMs, scheduleAt, scheduleFrom } from '../domain/policy.ts';
import { lookup } from './lookup.ts';
import type { PaymentRun } from './payment-run.ts';

/** What the status query makes of a callback's success. */
export type Checked =
  | { readonly kind: 'believed' }
  | { readonly kind: 'contradicted'; readonly note: string }
  /** It says nothing definite, and the prompt may ring until then. */
  | { readonly kind: 'unconfirmed'; readonly untilMs: number };

/** Clocks of two servers are never quite the same: the prompt's life ends in both. */
const CLOCKS_DIFFER_MS = 5_000;
const BELIEVED = { kind: 'believed' } as const;

/**
 * Where the policy asks for it, a callback's success is held against the provider's status query:
 * callbacks may be forged. A prompt that rings confirms nothing; but a query that tells nothing
 * after the prompt's life is over does not reject the callback.
 */
export async function checkCallback(run: PaymentRun, outcome: Outcome): Promise<Checked> {
  const { policy, amountMinor } = run.input;
  const from = policy.confirm_callback_from_minor;
  const askedId = run.providerPaymentId ?? outcome.providerPaymentId;
  const isChecked = outcome.kind === 'succeeded' && from !== null && amountMinor >= from;
  if (!isChecked || askedId === null || isClosed(run.status)) return BELIEVED;
  const sinceMs = run.sentSinceMs ?? Date.now();
  const untilMs = sinceMs + promptLifeMs(policy) + CLOCKS_DIFFER_MS;
  const isLast = Date.now() >= untilMs;
  const answer = await askNow(run, askedId, isLast);
  const isDefinite = answer !== null && isOutcome(answer);
  return isDefinite || isLast ? judge(outcome, answer) : { kind: 'unconfirmed', untilMs };
}

/**
 * Goes on asking, beside all else that the payment does, until the query is definite or the prompt
 * is over. Then `apply` is due, as a message is.
 */
export function confirmLater(
  run: PaymentRun,
  { outcome, untilMs }: { readonly outcome: Outcome; readonly untilMs: number },
  apply: (checked: Checked) => Promise<void>,
): void {
  const confirmation: PaymentRun['confirmation'] = { apply: null };
  run.confirmation = confirmation;
  const end = (answer: LookupResult | null) => {
    confirmation.apply = () => {
      run.confirmation = null;
      return apply(judge(outcome, answer));
    };
  };
  const askedId = run.providerPaymentId ?? outcome.providerPaymentId;
  // What ends the workflow ends the questions too.
  askUntil(run, askedId, untilMs).then(end, () => undefined);
}

async function askUntil(
  run: PaymentRun,
  askedId: string | null,
  untilMs: number,
): Promise<LookupResult | null> {
  const { poll_interval_ms } = run.input.policy.lookup;
  await sleep(Math.max(Math.min(scheduleAt(poll_interval_ms, 0), untilMs - Date.now()), 1));
  const leftMs = untilMs - Date.now();
  const pollIntervalMs = scheduleFrom(poll_interval_ms, 1);
  const answer = leftMs > 0 ? await lookup(run.input, askedId, leftMs, { pollIntervalMs }) : null;
  if (answer !== null) return answer;
  await sleep(Math.max(untilMs - Date.now(), 1));
  return await askNow(run, askedId, true);
}

/** One question. @param isLast whether the prompt is over: then no code is too early to count. */
function askNow(
  { input }: PaymentRun,
  askedId: string | null,
  isLast: boolean,
): Promise<LookupResult | null> {
  const windowMs = input.policy.lookup.timeout_ms * 2;
  return lookup(input, askedId, windowMs, { isOnce: true, isPromptOver: isLast });
}

function judge(outcome: Outcome, answer: LookupResult | null): Checked {
  if (answer === null || !isOutcome(answer) || answer.kind === outcome.kind) return BELIEVED;
  const note = `callback says ${outcome.kind}, status query says ${answer.kind}`;
  return { kind: 'contradicted', note };
}
