import { ApplicationFailure, condition, setHandler } from '@temporalio/workflow';
import type { Control } from '../domain/control.ts';
import { type Decision, faultOfDecision } from '../domain/decision.ts';
import { formatMoney } from '../domain/money.ts';
import { isClosed } from '../domain/payment-states.ts';
import { isLateMoney } from '../domain/review.ts';
import type { DeliveredEvent } from '../domain/webhook-event.ts';
import {
  type Command,
  cancelUpdate,
  captureUpdate,
  controlSignal,
  decideUpdate,
  firstStateUpdate,
  type Inbox,
  lookBackSignal,
  providerEventSignal,
  verifyUpdate,
} from './messages.ts';
import type { PaymentRun } from './payment-run.ts';

/** Opens the inbox. To be called before the workflow's first await. */
export function openInbox(run: PaymentRun): Inbox {
  const events: DeliveredEvent[] = [];
  const decisions: Decision[] = [];
  const commands: Command[] = [];
  const controls: Control[] = [];
  const lookBacks: number[] = [];
  const queues = [events, decisions, commands, controls, lookBacks];
  const hasMessages = () =>
    queues.some(({ length }) => length > 0) || (run.confirmation?.apply ?? null) !== null;
  receiveSignals(run, { events, controls, lookBacks });
  receiveCommands(run, commands);
  setHandler(firstStateUpdate, async () => {
    run.count.update();
    await condition(() => run.isAnswerable);
    return run.status;
  });
  setHandler(
    decideUpdate,
    async (decision) => {
      run.count.update();
      decisions.push(decision);
      await condition(() => isClosed(run.status));
      return run.status;
    },
    { validator: (decision) => refuseDecision(run, decision) },
  );
  return {
    hasMessages,
    takeEvent: () => events.shift(),
    takeDecision: () => decisions.shift(),
    takeCommand: () => commands.shift(),
    takeControl: () => controls.shift(),
    takeLookBack: () => lookBacks.shift(),
    waitForMessage: async (timeoutMs, summary) =>
      hasMessages() || (await condition(hasMessages, timeoutMs, { summary })),
  };
}

type Signals = {
  readonly events: DeliveredEvent[];
  readonly controls: Control[];
  readonly lookBacks: number[];
};

function receiveSignals(run: PaymentRun, { events, controls, lookBacks }: Signals): void {
  const seen = new Set<string>();
  setHandler(providerEventSignal, (delivered) => {
    run.count.signal();
    if (seen.has(delivered.eventId)) return;
    seen.add(delivered.eventId);
    events.push(delivered);
  });
  setHandler(controlSignal, (control) => {
    run.count.signal();
    controls.push(control);
  });
  setHandler(lookBackSignal, (nth) => {
    run.count.signal();
    lookBacks.push(nth);
  });
}

function receiveCommands(run: PaymentRun, commands: Command[]): void {
  const untilAnswered = async (kind: Command['kind'], amountMinor: number | null = null) => {
    run.count.update();
    const command: Command = { kind, amountMinor, isAnswered: false, refusal: null };
    commands.push(command);
    await condition(() => command.isAnswered || isClosed(run.status));
    return command;
  };
  setHandler(
    cancelUpdate,
    async () => {
      const command = await untilAnswered('cancel');
      if (run.status === 'canceled') return run.status;
      throw refusal(run, 'already_sent', command.refusal);
    },
    { validator: () => refuseCancel(run) },
  );
  setHandler(
    captureUpdate,
    async ({ amountMinor }) => {
      const command = await untilAnswered('capture', amountMinor);
      if (run.status !== 'succeeded') throw refusal(run, 'capture_refused', command.refusal);
      refuseOtherAmount(run, amountMinor);
      return run.status;
    },
    { validator: ({ amountMinor }) => refuseCapture(run, amountMinor) },
  );
  setHandler(
    verifyUpdate,
    async () => {
      run.count.verify();
      const { isAsked = false, refusal: message } = await untilAnswered('verify');
      const ended = isAsked ? null : `it was ${run.status} before the provider was asked`;
      return { status: run.status, isAsked, message: message ?? ended };
    },
    { validator: () => refuseVerify(run) },
  );
}

/** Why an update cannot be taken, as its failure; `type` is what the API answers by. */
function refusal(run: PaymentRun, type: string, why: string | null): ApplicationFailure {
  const isOver = isClosed(run.status);
  const message = why ?? `it is ${run.status}${isOver ? ' already' : ''}`;
  return ApplicationFailure.nonRetryable(message, isOver ? 'payment_closed' : type);
}

/** Whom the update comes to while an operator has paused the payment: neither is done then. */
function refusePaused({ isPaused, pausedFor }: PaymentRun): void {
  if (!isPaused) return;
  const why = `an operator paused it${pausedFor === null ? '' : `: ${pausedFor}`}`;
  throw ApplicationFailure.nonRetryable(why, 'paused');
}

function refuseCancel(run: PaymentRun): void {
  if (isClosed(run.status)) throw refusal(run, 'payment_closed', null);
  if (isLateMoney(run.reviewReason)) {
    throw refusal(run, 'in_review', 'its money came after its end, and a person decides about it');
  }
  const isSent = run.isSending || run.mayBeAtProvider;
  if (isSent && !run.input.can.cancel) {
    throw refusal(run, 'already_sent', 'it was sent to the provider already');
  }
}

function refuseCapture(run: PaymentRun, amountMinor: number): void {
  if (run.status !== 'authorized') throw refusal(run, 'not_authorized', null);
  refusePaused(run);
  const isPart = Number.isSafeInteger(amountMinor) && amountMinor > 0;
  if (isPart && amountMinor <= run.input.amountMinor) return;
  const why = `${amountMinor} is not within the ${run.input.amountMinor} that are authorized`;
  throw refusal(run, 'capture_refused', why);
}

function refuseVerify(run: PaymentRun): void {
  if (isClosed(run.status)) throw refusal(run, 'payment_closed', null);
  refusePaused(run);
  if (!run.mayBeAtProvider) {
    throw refusal(run, 'not_sent', 'nothing was sent to the provider yet');
  }
  const waitMs = run.count.verifyWaitMs();
  if (waitMs === 0) return;
  const message = 'the provider was asked about it too often within the last hour';
  const details = [{ retryAfterMs: waitMs }];
  const type = 'rate_limited';
  throw ApplicationFailure.create({ message, type, nonRetryable: true, details });
}

/** A capture beside another that was faster: what that one took is all there is. */
function refuseOtherAmount({ capturedMinor, input }: PaymentRun, askedMinor: number): void {
  if (capturedMinor === null || capturedMinor === askedMinor) return;
  const captured = formatMoney({ amountMinor: capturedMinor, currency: input.currency });
  const message = `${captured} (${capturedMinor}) was taken`;
  throw ApplicationFailure.nonRetryable(message, 'capture_refused');
}

function refuseDecision(run: PaymentRun, decision: Decision): void {
  if (run.status !== 'needs_review') throw refusal(run, 'not_in_review', null);
  const { reviewReason, input } = run;
  const fault = faultOfDecision(decision, { ...input, reviewReason });
  if (fault !== null) throw refusal(run, 'invalid_decision', fault);
}
