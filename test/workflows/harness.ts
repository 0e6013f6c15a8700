import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { notYet, sendFailure } from '../../activities/failure.ts';
import type {
  CaptureInput,
  ChargeInput,
  LateSuccessInput,
  LookupInput,
} from '../../activities/index.ts';
import type { ChargeResult, LookupResult, Outcome } from '../../domain/outcome.ts';
import type { PaymentInput, Standing } from '../../domain/payment.ts';
import type { RecordRequest, RecordResult } from '../../domain/payment-record.ts';
import { next, type PaymentStatus } from '../../domain/payment-states.ts';
import { type ProviderPolicy, scheduleAt } from '../../domain/policy.ts';
import type { DeliveredEvent } from '../../domain/webhook-event.ts';
import { policy as defaultPolicy } from '../../providers/mpesa/policy.ts';
import { paymentReopen } from '../../temporal/start.ts';
import { loadWorkflowBundle } from '../../worker/bundle.ts';
import { providerEventSignal, providerTaskQueue, TASK_QUEUE } from '../../workflows/messages.ts';
import { openTestServer } from './test-server.ts';
import { showTrail } from './watchdog.ts';

export const PROVIDER_PAYMENT_ID = 'ws_CO_1';

/** Of a provider that holds money, and takes our key. */
export const CAN = {
  dedupes_by_our_id: true,
  looks_up_by_our_id: true,
  capture: true,
  cancel: true,
} as const;

/** Where the row of a payment stands that waits for its callback. */
export const STANDING: Standing = {
  status: 'processing',
  reviewReason: null,
  providerPaymentId: PROVIDER_PAYMENT_ID,
  earlierProviderIds: [],
  leftMs: null,
  isPaused: false,
  lostHistory: null,
};

/** Reopens a payment that has ended, with a callback; by its standing, if it has one. */
export function lateEvent(input: PaymentInput, event: DeliveredEvent, status?: PaymentStatus) {
  const ended: Standing = { ...STANDING, status: status ?? 'failed', providerPaymentId: null };
  const standing = input.standing ?? ended;
  const signalArgs: [DeliveredEvent] = [event];
  return { ...paymentReopen({ ...input, standing }), signal: providerEventSignal, signalArgs };
}

/** What the scripted provider does for one payment. */
export type Script = {
  /** By send, from 1; an Error is thrown. */
  charge(send: number, input: ChargeInput): Promise<ChargeResult> | ChargeResult;
  /** By question, from 1; null is "not yet". */
  lookup(question: number): LookupResult | null;
  capture?(amountMinor: number, times: number): Promise<LookupResult> | LookupResult;
  cancel?(amountMinor: number, times: number): Promise<LookupResult> | LookupResult;
  /** Throws to play a database that is away. */
  beforeRecord?(tried: number, request: RecordRequest): void;
  /** Throws to play a commit whose reply is lost. */
  afterRecord?(request: RecordRequest): void;
};

export type Story = {
  readonly entries: RecordRequest[];
  /** Callbacks whose fate was written, and nothing else. */
  readonly silent: RecordRequest[];
  readonly kept: string[];
  readonly settlements: string[];
  status: PaymentStatus;
  sends: number;
  /** Which send each of them was. */
  readonly sendNumbers: number[];
  /** How many sends of the current attempt the row counts as claimed. */
  dispatchCount: number;
  /** What each step brought about when it was recorded. */
  readonly steps: Map<string, Pick<RecordResult, 'changed' | 'refused'>>;
  questions: number;
  records: number;
  /** How often money that came late was given back. */
  givenBack: number;
};

type Part = { readonly script: Script; readonly story: Story };

export type Harness = {
  readonly env: TestWorkflowEnvironment;
  /** A payment of its own with this script, not yet started. */
  prepare(
    script: Script,
    policy?: Partial<ProviderPolicy>,
    changes?: Partial<PaymentInput>,
  ): { input: PaymentInput; story: Story };
  close(): Promise<void>;
};

/** A time-skipping server, the real workflows, and activities that follow a script. */
export async function openHarness(): Promise<Harness> {
  const env = await openTestServer();
  const scripts = new Map<string, { script: Script; story: Story }>();
  const running = await startWorkers(env, scripts);
  return {
    env,
    prepare(script, policy = {}, changes = {}) {
      const input = makePaymentInput({ ...defaultPolicy, ...policy }, changes);
      const story: Story = {
        entries: [],
        silent: [],
        kept: [],
        settlements: [],
        status: 'created',
        sends: 0,
        sendNumbers: [],
        dispatchCount: 0,
        steps: new Map(),
        questions: 0,
        records: 0,
        givenBack: 0,
      };
      scripts.set(input.paymentId, { script, story });
      showTrail(story.entries, () => story.status);
      return { input, story };
    },
    async close() {
      for (const worker of running.workers) worker.shutdown();
      await running.ended;
      await env.teardown();
    },
  };
}

async function startWorkers(
  env: TestWorkflowEnvironment,
  scripts: ReadonlyMap<string, { script: Script; story: Story }>,
) {
  const find = (paymentId: string) => {
    const found = scripts.get(paymentId);
    if (found === undefined) throw ApplicationFailure.nonRetryable(`no script for ${paymentId}`);
    return found;
  };
  const common = { connection: env.nativeConnection, namespace: 'default' };
  const workers = await Promise.all([
    Worker.create({
      ...common,
      taskQueue: TASK_QUEUE,
      workflowBundle: await loadWorkflowBundle(),
      activities: {
        record: (request: RecordRequest) => writeDown(find(request.paymentId), request),
        recordReattempt: (request: RecordRequest) => {
          const { story } = find(request.paymentId);
          if (isSentBeyond(story, request)) {
            const { attemptId } = request;
            return { attemptId, status: story.status, isOpened: false, mayBeAtProvider: true };
          }
          story.entries.push(request);
          story.dispatchCount = 0;
          return { attemptId: `${request.attemptId}+`, status: story.status, isOpened: true };
        },
        refundLateSuccess: ({ paymentId }: LateSuccessInput) => {
          find(paymentId).story.givenBack += 1;
        },
        storeWebhookEvent: (event: { id: string }) => {
          for (const { story } of scripts.values()) story.kept.push(event.id);
        },
      },
    }),
    Worker.create({
      ...common,
      taskQueue: providerTaskQueue('mpesa'),
      activities: {
        charge: (input: ChargeInput) => chargeBy(find(input.paymentId), input),
        capture: (input: CaptureInput) => settle(find(input.paymentId), 'capture', input),
        cancel: (input: CaptureInput) => settle(find(input.paymentId), 'cancel', input),
        lookup: (input: LookupInput) => {
          const { script, story } = find(input.paymentId);
          story.questions += 1;
          const answer = script.lookup(story.questions);
          if (answer === null && input.isOnce === true) return UNDECIDED;
          if (answer === null)
            throw notYet('pending', scheduleAt(input.pollIntervalMs, story.questions - 1));
          return answer;
        },
      },
    }),
  ]);
  return { workers, ended: Promise.all(workers.map((worker) => worker.run())) };
}

/** A send that was claimed moves the payment, as the database's claim does. */
async function chargeBy({ script, story }: Part, input: ChargeInput): Promise<ChargeResult> {
  story.sends += 1;
  story.sendNumbers.push(input.send);
  const claim = () => {
    if (story.status === 'created') story.status = 'processing';
    story.dispatchCount = Math.max(story.dispatchCount, input.send);
  };
  try {
    const result = await script.charge(input.send, input);
    claim();
    return result;
  } catch (error) {
    if (error instanceof ApplicationFailure && wasDispatched(error)) claim();
    throw error;
  }
}

function wasDispatched({ details }: ApplicationFailure): boolean {
  const [detail] = details ?? [];
  return typeof detail === 'object' && detail !== null && 'dispatched' in detail
    ? detail.dispatched === true
    : false;
}

function settle(
  { script, story }: Part,
  step: 'capture' | 'cancel',
  input: CaptureInput,
): Promise<LookupResult> | LookupResult {
  const key = input.ordinal === undefined ? '' : `, key ${input.ordinal}`;
  story.settlements.push(`${step} ${input.amountMinor}${key}`);
  const answer = script[step]?.(input.amountMinor, story.settlements.length);
  if (answer === undefined) throw new Error(`the script has no ${step}`);
  return answer;
}

/** The ledger's rules without a database: the real table decides, a key counts once. */
function writeDown({ script, story }: Part, request: RecordRequest): RecordResult {
  story.records += 1;
  script.beforeRecord?.(story.records, request);
  const earlier = story.steps.get(request.key);
  if (earlier !== undefined) return { status: story.status, ...earlier };
  if (isSentBeyond(story, request)) {
    return { status: story.status, changed: false, refused: false, mayBeAtProvider: true };
  }
  if (request.isWithoutAuditEntry === true) {
    story.silent.push(request);
    return { status: story.status, changed: false, refused: false };
  }
  const { event, mayBeAtProvider } = request;
  const transition = event === null ? null : next(story.status, event, mayBeAtProvider);
  const to = transition?.kind === 'moved' ? transition.to : story.status;
  const step = { changed: to !== story.status, refused: transition?.kind === 'refused' };
  // As the row does: money of what it never saw sent is a history that was lost.
  const isForgotten = story.status === 'created' && to === 'needs_review';
  const isWrong =
    request.reviewReason === 'amount_mismatch' || request.reviewReason === 'contradiction';
  const reason = isForgotten && !isWrong ? ({ reviewReason: 'history_lost' } as const) : {};
  story.entries.push({ ...request, ...reason });
  story.status = to;
  story.steps.set(request.key, step);
  script.afterRecord?.(request);
  return { status: to, ...step, ...reason };
}

function isSentBeyond({ dispatchCount }: Story, { provenUnsent }: RecordRequest): boolean {
  return provenUnsent !== undefined && dispatchCount > provenUnsent;
}

/** A payment of KES 100.00 with ids of its own. */
export function makePaymentInput(
  policy: ProviderPolicy,
  changes: Partial<PaymentInput> = {},
): PaymentInput {
  const id = randomUUID().replaceAll('-', '');
  return {
    paymentId: `pay_${id}`,
    attemptId: `att_${id}`,
    merchantId: 'mer_1',
    workflowId: `payment-${id}`,
    provider: 'mpesa',
    credentialsRef: 'env:mpesa',
    amountMinor: 10_000,
    currency: 'KES',
    policy,
    captureMethod: 'automatic',
    can: { ...CAN, dedupes_by_our_id: false, looks_up_by_our_id: false, ...NO_CAPTURE },
    attemptOrdinal: 1,
    fallbacks: [],
    ...changes,
  };
}
const NO_CAPTURE = { capture: false, cancel: false };

const UNDECIDED: LookupResult = {
  kind: 'pending',
  providerPaymentId: PROVIDER_PAYMENT_ID,
  providerCode: '4999',
  message: 'in progress',
};
export const PENDING: ChargeResult = {
  kind: 'pending',
  providerPaymentId: PROVIDER_PAYMENT_ID,
  providerCode: '0',
  message: 'prompted',
};

export function outcome(kind: Outcome['kind'], changes: Partial<Outcome> = {}): Outcome {
  const isMoney = kind === 'succeeded' || kind === 'authorized';
  return {
    kind,
    providerPaymentId: PROVIDER_PAYMENT_ID,
    receipt: isMoney ? 'UJ7A1B2C3D' : null,
    money: isMoney ? { amountMinor: 10_000, currency: 'KES' } : null,
    failure: isMoney
      ? null
      : { code: 'insufficient_funds', message: 'no money', providerCode: '1' },
    providerCode: isMoney ? '0' : '1',
    ...changes,
  };
}

export function delivered(event: DeliveredEvent['event'], eventId = `evt_${randomUUID()}`) {
  return { eventId, event, unstored: null } satisfies DeliveredEvent;
}

/** What a failed charge looks like to the workflow. */
export function chargeFailure(error: unknown, dispatched: boolean): ApplicationFailure {
  return sendFailure(error, { dispatched, mayRepeat: false });
}
