import { makeContinueAsNewFunc, workflowInfo } from '@temporalio/workflow';
import type { Control, ControlAction } from '../domain/control.ts';
import type { Decision } from '../domain/decision.ts';
import { failure } from '../domain/error.ts';
import type { PaymentInput, Standing, WaitingFor } from '../domain/payment.ts';
import { isClosed, type PaymentStatus } from '../domain/payment-states.ts';
import { scheduleAt } from '../domain/policy.ts';
import { handleCommand } from './capture-cancel.ts';
import { applyEvent } from './events.ts';
import { lookBackAtPayment } from './late-money.ts';
import type { Asker } from './lookup.ts';
import type { PaymentRun } from './payment-run.ts';
import { mayContinueAsNew } from './run.ts';

const DAY_MS = 24 * 3_600_000;

/** Handles all messages that wait in the inbox, in order of arrival within their kind. */
export async function handleMessages(run: PaymentRun): Promise<void> {
  const { inbox } = run;
  await run.confirmation?.apply?.();
  for (let event = inbox.takeEvent(); event !== undefined; event = inbox.takeEvent()) {
    await applyEvent(run, event);
  }
  const decision = inbox.takeDecision();
  if (decision !== undefined && !isClosed(run.status)) await applyDecision(run, decision);
  for (let it = inbox.takeCommand(); it !== undefined; it = inbox.takeCommand()) {
    await handleCommand(run, it);
  }
  for (let it = inbox.takeControl(); it !== undefined; it = inbox.takeControl()) {
    if (!isClosed(run.status)) await CONTROLS[it.action](run, it);
  }
  for (let nth = inbox.takeLookBack(); nth !== undefined; nth = inbox.takeLookBack()) {
    await lookBackAtPayment(run, nth);
  }
}

/** Who asks about a payment handles messages meanwhile, and goes on in a new run where needed. */
export function askerOf(run: PaymentRun, isWanted: Asker['isWanted']): Asker {
  return {
    inbox: run.inbox,
    unclear: run.unclear,
    handleMessages: () => handleMessages(run),
    continueIfLong: () => continueIfLong(run),
    isWanted,
  };
}

/** Where a payment may wait for days, and sends no charge any more. */
const MAY_WAIT_LONG = {
  created: false,
  processing: false,
  requires_action: true,
  authorized: true,
  needs_review: true,
  succeeded: false,
  failed: false,
  canceled: false,
} as const satisfies Record<PaymentStatus, boolean>;

/**
 * Goes on with a payment in a new run, before this one nears Temporal's limits of events, updates
 * and signals, with all that this run knows. To be called where a wait begins; returns when there
 * is no need for it, or no chance.
 */
export async function continueIfLong(run: PaymentRun): Promise<void> {
  if (!MAY_WAIT_LONG[run.status] || run.confirmation !== null) return;
  if (!(await mayContinueAsNew(run.count, run.inbox.hasMessages))) return;
  const goOn = makeContinueAsNewFunc<(input: PaymentInput) => Promise<unknown>>();
  const { status, reviewReason, providerPaymentId, isPaused } = run;
  const standing: Standing = {
    status,
    reviewReason,
    providerPaymentId,
    earlierProviderIds: [...run.earlierProviderIds],
    leftMs: run.waitLeftMs(),
    isPaused,
    lostHistory: null,
    continued: { wasReopened: run.hasLostHistory, ordinals: { ...run.ordinals } },
  };
  await goOn({ ...run.input, standing });
}

/**
 * While an operator pauses the payment, it is neither sent nor captured, and the provider is not
 * asked about it; what the provider reports by itself, cancels and decisions still count.
 */
export async function waitWhilePaused(run: PaymentRun): Promise<void> {
  while (run.isPaused && !isClosed(run.status)) {
    run.isAnswerable = true;
    await continueIfLong(run);
    if (await run.inbox.waitForMessage(DAY_MS, 'paused by an operator')) await handleMessages(run);
  }
}

async function applyDecision(run: PaymentRun, decision: Decision): Promise<void> {
  const { receipt, by, reason, amountMinor = null } = decision;
  const isFailure = decision.decision !== 'succeeded';
  const kind = decision.decision === 'failed' ? 'declined' : decision.decision;
  await run.record({
    // A payment may come to review again in the same run.
    key: run.numbered(`decided/${workflowInfo().runId}`),
    action: 'payment.decided',
    actor: 'operator',
    cause: `${by}: ${reason}`,
    event: kind,
    outcome: {
      kind,
      providerPaymentId: null,
      receipt,
      money: amountMinor === null ? null : { amountMinor, currency: run.input.currency },
      failure: isFailure ? failure('declined', null, 'An operator decided so.') : null,
      providerCode: null,
    },
  });
}

/** Does what an operator asked of all open payments of a provider, as far as it fits this one. */
const CONTROLS = {
  async look_up(run, { by }) {
    // The trail says that nobody is asked.
    if (run.isPaused) return;
    // Batches that follow each other ask no faster than the policy lets us.
    const pollIntervalMs = scheduleAt(run.input.policy.lookup.poll_interval_ms, 0);
    if (run.lookedUpMs !== null && Date.now() - run.lookedUpMs < pollIntervalMs) return;
    const command = { amountMinor: null, by, isAnswered: false, refusal: null };
    await handleCommand(run, { kind: 'verify', ...command });
    run.lookedUpMs = Date.now();
  },
  async pause(run, { by, reason }) {
    if (run.isPaused) return;
    run.isPaused = true;
    run.pausedFor = reason;
    await run.record({
      key: run.numbered('paused'),
      action: 'payment.paused',
      actor: 'operator',
      cause: `${by}: ${reason}`,
      waitingFor: 'resume',
    });
  },
  async resume(run, { by, reason }) {
    if (!run.isPaused) return;
    run.isPaused = false;
    run.pausedFor = null;
    await run.record({
      key: run.numbered('resumed'),
      action: 'payment.resumed',
      actor: 'operator',
      cause: `${by}: ${reason}`,
      waitingFor: WAITS_AGAIN[run.status],
      waitMs: run.waitLeftMs(),
    });
  },
} as const satisfies Record<ControlAction, (run: PaymentRun, control: Control) => Promise<void>>;

/** What a payment waits for when it goes on. */
const WAITS_AGAIN = {
  created: 'resend',
  processing: 'lookup',
  requires_action: 'payer_action',
  authorized: 'capture',
  needs_review: 'review',
  succeeded: null,
  failed: null,
  canceled: null,
} as const satisfies Record<PaymentStatus, WaitingFor | null>;
