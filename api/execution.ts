import { z } from 'zod';
import type { WaitingFor } from '../domain/payment.ts';
import type { ReviewGuide } from '../domain/review.ts';
import { ACTIVITY_STATES, type Execution, type Executions } from '../temporal/describe.ts';
import type { ApiDeps } from './deps.ts';
import { stringOf, textOrNull, timeOrNull, workflowResponse } from './response.ts';

/** What is shown of it, beside what our own row says. */
export const runningResponse = {
  activities: z
    .array(
      z
        .strictObject({
          type: stringOf('What is done, such as `charge` or `lookup`', 'lookup'),
          attempt: z.int().describe('Which try it is, from 1 on'),
          attempts_max: z.int().nullable().describe('How many tries at most; null: no limit'),
          last_error: textOrNull.describe('Why the last try failed; null when none has'),
          next_try_at: timeOrNull.describe('When it is tried next; null: it runs now'),
          state: z
            .enum(ACTIVITY_STATES)
            .describe(
              '`queued`: it waits for its turn, or for a worker. `running`: somebody is at it. `retrying`: it is tried again at next_try_at',
            ),
        })
        .meta({ id: 'Activity' }),
    )
    .describe('What its workflow does right now; empty while it only waits'),
  workflow: z
    .strictObject({
      id: workflowResponse.shape.id,
      url: workflowResponse.shape.url,
      status: stringOf('As Temporal says; `unknown` when it could not be asked', 'running'),
      history_length: z
        .int()
        .nullable()
        .meta({ description: 'How many events its history has', example: 23 }),
    })
    .meta({ id: 'RunningWorkflow' })
    .describe('The Temporal workflow that works on it'),
};

type Sent = 'charge' | 'refund';
const WAITS = {
  // table
  provider_answer: (it) => `The ${it} is on its way to the provider; its answer is awaited.`,
  resend: (it) => `The provider took nothing; the ${it} is sent again at the time given.`,
  payer_action: () =>
    'The payer has to act at the address in next_action; then the provider tells.',
  capture: () => 'The money is held; capture or cancel decides, or the end of the authorization.',
  callback: (it) => `The provider has the ${it}; its callback is awaited, then it is asked.`,
  lookup: () => 'The callback stayed away or was unclear; the provider is asked for the outcome.',
  review: () => 'A person has to decide.',
  resume: () =>
    'An operator paused it: until it goes on it is not sent, not captured and not asked about. Callbacks, cancels and decisions still count.',
} as const satisfies Record<WaitingFor, (it: Sent) => string>;

/**
 * What is awaited, and what comes next, in words.
 * @param it what went, or goes, out.
 * @param review why a person has to decide, and what to look at; null where that is not known.
 * @param findCause what was last unclear about it; null when nothing was.
 */
export async function explainWait(
  waitingFor: WaitingFor,
  it: Sent,
  review: ReviewGuide | null,
  findCause: () => Promise<string | null>,
): Promise<string> {
  const isUnclear = waitingFor === 'lookup' || waitingFor === 'review';
  const cause = isUnclear ? await findCause() : null;
  const guide = waitingFor === 'review' && review !== null ? `${review.why} ${review.look}` : null;
  return `${guide ?? WAITS[waitingFor](it)}${cause === null ? '' : ` Last: ${cause}.`}`;
}

/** Calls to a provider, by activity; all others are our own work. */
const CALLS: Readonly<Record<string, string>> = {
  charge: 'charge',
  capture: 'capture',
  cancel: 'cancel',
  refund: 'refund',
  lookup: 'question',
  lookupRefund: 'question',
  learnReceipt: 'question',
};

/**
 * Says of a call that waits in its provider's queue that it does; null where none does.
 * @param countBefore how many charges of the merchant came before this one.
 */
export async function explainTurn(
  { policies }: Pick<ApiDeps, 'policies'>,
  execution: Execution | null,
  findProvider: () => Promise<string>,
  countBefore: (() => Promise<string>) | null = null,
): Promise<string | null> {
  const queued = execution?.activities.filter(({ state }) => state === 'queued') ?? [];
  const [call] = queued.flatMap(({ type }) => CALLS[type] ?? []);
  if (call === undefined) return null;
  const provider = await findProvider();
  const perSecond = policies.providers[provider]?.rate_limit_per_second ?? 0;
  const before = call === 'charge' && countBefore !== null ? `; ${await countBefore()}` : '';
  return `The ${call} waits for its turn at ${provider}, which takes ${perSecond} calls a second of all merchants together${before}.`;
}

/** The only way from a workflow to who may see it. */
export function presentWorkflow(
  engine: Executions,
  workflowId: string,
  execution: Execution | null,
) {
  return {
    activities: (execution?.activities ?? []).map((activity) => ({
      type: activity.type,
      attempt: activity.attempt,
      attempts_max: activity.attemptsMax,
      last_error: activity.lastError,
      next_try_at: activity.nextTryAt,
      state: activity.state,
    })),
    workflow: {
      id: workflowId,
      url: engine.workflowUrl(workflowId),
      status: execution?.status ?? 'unknown',
      history_length: execution?.historyLength ?? null,
    },
  };
}
