import { randomUUID } from 'node:crypto';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { notYet } from '../../activities/failure.ts';
import type { ReceiptInput, RefundLookupInput, RefundSendInput } from '../../activities/index.ts';
import { type ProviderPolicy, scheduleAt } from '../../domain/policy.ts';
import type { ReceiptAnswer } from '../../domain/receipt.ts';
import {
  type RefundInput,
  type RefundOutcome,
  type RefundRecordRequest,
  type RefundRecordResult,
  type RefundResult,
  type RefundReviewReason,
  type RefundStanding,
  refundFailure,
} from '../../domain/refund.ts';
import { nextRefund, type RefundStatus } from '../../domain/refund-states.ts';
import type { DeliveredRefundEvent } from '../../domain/webhook-event.ts';
import { policy as defaultPolicy } from '../../providers/mpesa/policy.ts';
import { refundReopen } from '../../temporal/start.ts';
import { loadWorkflowBundle } from '../../worker/bundle.ts';
import { providerTaskQueue, refundEventSignal, TASK_QUEUE } from '../../workflows/messages.ts';
import { openTestServer } from './test-server.ts';
import { showTrail } from './watchdog.ts';

/** What the scripted provider does for one refund. */
export type RefundScript = {
  /** By send, from 1; an Error is thrown. */
  refund(send: number): RefundResult;
  /** By question, from 1; null is "not yet". */
  lookupRefund(question: number): RefundResult | null;
  /** Throws to play a database that is away. */
  beforeRecord?(request: RefundRecordRequest): void;
  /** Null is "not heard". */
  learnReceipt?(): ReceiptAnswer | null;
  /** Another payment has the receipt that is learned. */
  readonly isReceiptTaken?: true;
};
export type RefundStory = {
  readonly entries: RefundRecordRequest[];
  status: RefundStatus;
  /** What the row says of a review, where that is not what the workflow said. */
  reviewReason?: RefundReviewReason;
  /** What each step brought about when it was recorded. */
  readonly steps: Map<string, Pick<RefundRecordResult, 'changed' | 'refused'>>;
  sends: number;
  /** How many sends the row counts as claimed, where that is more than the workflow knows. */
  dispatchCount: number;
  questions: number;
  /** By which receipt each send was made. */
  readonly receipts: (string | null)[];
};
export type RefundHarness = {
  readonly env: TestWorkflowEnvironment;
  prepare(
    script: RefundScript,
    policy?: Partial<ProviderPolicy>,
    changes?: Partial<RefundInput>,
  ): { input: RefundInput; story: RefundStory };
  close(): Promise<void>;
};

/** As `openHarness`, for refunds. */
export async function openRefundHarness(): Promise<RefundHarness> {
  const env = await openTestServer();
  const parts = new Map<string, Part>();
  const workers = await createWorkers(env, (id) => {
    const part = parts.get(id);
    if (part === undefined) throw new Error(`no script for ${id}`);
    return part;
  });
  const ended = Promise.all(workers.map((worker) => worker.run()));
  return {
    env,
    prepare(script, policy = {}, changes = {}) {
      const input = { ...refundInput({ ...defaultPolicy, ...policy }), ...changes };
      const story: RefundStory = {
        entries: [],
        status: 'pending',
        steps: new Map(),
        sends: 0,
        dispatchCount: 0,
        questions: 0,
        receipts: [],
      };
      showTrail(story.entries, () => story.status);
      // Providers are asked about its workflow alone.
      for (const id of [input.refundId, input.workflowId]) parts.set(id, { script, story });
      return { input, story };
    },
    async close() {
      for (const worker of workers) worker.shutdown();
      await ended;
      await env.teardown();
    },
  };
}

type Part = { readonly script: RefundScript; readonly story: RefundStory };
type Find = (id: string) => Part;

/** As the database does it. */
function recordIn({ script, story }: Part, request: RefundRecordRequest): RefundRecordResult {
  const { provenUnsent = story.dispatchCount } = request;
  script.beforeRecord?.(request);
  const earlier = story.steps.get(request.key);
  if (earlier !== undefined) return { ...standingOf(story), ...earlier };
  if (story.dispatchCount > provenUnsent) {
    return { ...standingOf(story), changed: false, refused: false, mayBeAtProvider: true };
  }
  if (request.isWithoutAuditEntry === true) {
    return { ...standingOf(story), changed: false, refused: false };
  }
  story.entries.push(request);
  const transition = request.event === null ? null : nextRefund(story.status, request.event);
  const before = story.status;
  if (transition?.kind === 'moved') story.status = transition.to;
  const step = { changed: story.status !== before, refused: transition?.kind === 'refused' };
  story.steps.set(request.key, step);
  return { ...standingOf(story), ...step };
}

function standingOf({ status, reviewReason }: RefundStory) {
  const isKnown = status === 'needs_review' && reviewReason !== undefined;
  return { status, ...(isKnown ? { reviewReason } : {}) };
}

async function createWorkers(env: TestWorkflowEnvironment, find: Find) {
  const common = { connection: env.nativeConnection, namespace: 'default' };
  return await Promise.all([
    Worker.create({
      ...common,
      taskQueue: TASK_QUEUE,
      workflowBundle: await loadWorkflowBundle(),
      activities: {
        recordRefund(request: RefundRecordRequest): RefundRecordResult {
          const found = find(request.refundId);
          const isTaken = request.paymentReceipt !== undefined && found.script.isReceiptTaken;
          return { ...recordIn(found, request), ...(isTaken ? { isReceiptTaken: true } : {}) };
        },
      },
    }),
    Worker.create({
      ...common,
      taskQueue: providerTaskQueue('mpesa'),
      activities: {
        refund(input: RefundSendInput) {
          const { script, story } = find(input.refundId);
          story.sends += 1;
          story.receipts.push(input.providerReceipt);
          return script.refund(input.send);
        },
        lookupRefund(input: RefundLookupInput) {
          const { script, story } = find(input.workflowId);
          story.questions += 1;
          const answer = script.lookupRefund(story.questions);
          if (answer !== null) return answer;
          throw notYet('pending', scheduleAt(input.pollIntervalMs, story.questions - 1));
        },
        learnReceipt(input: ReceiptInput) {
          const answer = find(input.workflowId).script.learnReceipt?.() ?? null;
          if (answer !== null) return answer;
          throw notYet('not heard', scheduleAt(input.pollIntervalMs, 0));
        },
      },
    }),
  ]);
}

function refundInput(policy: ProviderPolicy): RefundInput {
  const id = randomUUID().replaceAll('-', '');
  return {
    refundId: `ref_${id}`,
    paymentId: `pay_${id}`,
    merchantId: 'mer_1',
    workflowId: `refund-${id}`,
    provider: 'mpesa',
    credentialsRef: 'env:mpesa',
    amountMinor: 4_000,
    currency: 'KES',
    providerPaymentId: 'ws_CO_1',
    providerReceipt: 'UJ7A1B2C3D',
    policy,
    can: {
      dedupes_by_our_id: false,
      looks_up_by_our_id: false,
      capture: false,
      cancel: false,
      looks_up_refunds: 'none',
    },
  };
}

export const PENDING: RefundResult = {
  kind: 'pending',
  providerRefundId: 're_1',
  providerCode: null,
  message: 'taken',
};

export function outcome(kind: RefundOutcome['kind'], changes: Partial<RefundOutcome> = {}) {
  return {
    kind,
    providerRefundId: 're_1',
    receipt: null,
    amountMinor: 4_000,
    failure: kind === 'failed' ? refundFailure('declined') : null,
    providerCode: null,
    ...changes,
  } satisfies RefundOutcome;
}

/** Where a refund stands that has ended, or whose run was lost. */
export const REFUND_STANDING: RefundStanding = {
  status: 'failed',
  reviewReason: null,
  providerRefundId: null,
  isSent: true,
  lostHistory: null,
};

/** Reopens a refund that has ended, with a callback; by its standing, if it has one. */
export function lateRefundEvent(input: RefundInput, event: DeliveredRefundEvent) {
  const standing = input.standing ?? REFUND_STANDING;
  const signalArgs: [DeliveredRefundEvent] = [event];
  return { ...refundReopen({ ...input, standing }), signal: refundEventSignal, signalArgs };
}

let events = 0;
export const delivered = (event: RefundResult) => {
  events += 1;
  return { eventId: `evt_${events}`, event, unstored: null };
};

/** Of a provider that can be asked about refunds. */
export const ASKS = {
  can: {
    dedupes_by_our_id: true,
    looks_up_by_our_id: true,
    capture: true,
    cancel: true,
    looks_up_refunds: 'sync',
  },
} as const;
