import type { Warning } from '../../config/warnings.ts';
import type { Control } from '../../domain/control.ts';
import type { Decision } from '../../domain/decision.ts';
import type { PaymentInput } from '../../domain/payment.ts';
import type { RefundInput } from '../../domain/refund.ts';
import type {
  DeliveredEvent,
  DeliveredRefundEvent,
  SealedWebhookEvent,
} from '../../domain/webhook-event.ts';
import type { Batches } from '../../temporal/batches.ts';
import type { Delivery, LoadReopened } from '../../temporal/deliver-callback.ts';
import type { Execution } from '../../temporal/describe.ts';
import type { Engine } from '../../temporal/engine.ts';
import type { Fairness } from '../../temporal/fairness.ts';
import type { UpdateAnswer } from '../../temporal/updates.ts';

/** `runs`: each workflow is open. `closed`: each has ended. `away`: Temporal does not answer. */
export type Workflows = 'runs' | 'closed' | 'away';

/** What the tests of the API put in Temporal's place: it writes down what it is asked. */
export type ScriptedEngine = Engine & {
  workflows: Workflows;
  /** What cancel, capture and verify answer. */
  update: UpdateAnswer;
  execution: Execution | null;
  /** What the namespace lacks. */
  lacking: readonly Warning[];
  /** Whether merchants take turns. */
  fairness: Fairness | 'away';
  /** Brings a payment to its first state; false when nobody did in time. */
  takePayment: (input: PaymentInput) => Promise<boolean>;
  takeRefund: (input: RefundInput) => Promise<boolean>;
  readonly started: PaymentInput[];
  /** How long each start might be waited for, payments and refunds alike. */
  readonly waits: number[];
  readonly startedRefunds: RefundInput[];
  readonly delivered: { readonly workflowId: string; readonly event: DeliveredEvent }[];
  readonly deliveredRefunds: {
    readonly workflowId: string;
    readonly event: DeliveredRefundEvent;
  }[];
  /** What was started to take late news. */
  readonly late: (PaymentInput | RefundInput)[];
  readonly updates: (readonly [name: string, workflowId: string, amountMinor?: number])[];
  readonly decided: { readonly workflowId: string; readonly decision: Decision }[];
  /** Callbacks that no running workflow could take. */
  readonly held: SealedWebhookEvent[];
  readonly batches: { readonly id: string; readonly provider: string; readonly control: Control }[];
  reset(): void;
};

const nobody = () => Promise.resolve(false);

type Lists = Pick<
  ScriptedEngine,
  | 'started'
  | 'waits'
  | 'startedRefunds'
  | 'delivered'
  | 'deliveredRefunds'
  | 'late'
  | 'updates'
  | 'decided'
  | 'held'
  | 'batches'
>;

function emptyLists(): Lists {
  return {
    started: [],
    waits: [],
    startedRefunds: [],
    delivered: [],
    deliveredRefunds: [],
    late: [],
    updates: [],
    decided: [],
    held: [],
    batches: [],
  };
}

/** As if nothing of Temporal but the API's own side were there. */
export function createScriptedEngine(): ScriptedEngine {
  const engine: ScriptedEngine = {
    workflows: 'runs',
    update: { kind: 'done' },
    execution: null,
    lacking: [],
    fairness: 'on',
    takePayment: nobody,
    takeRefund: nobody,
    ...emptyLists(),
    startPayment(input, waitMs) {
      engine.started.push(input);
      engine.waits.push(waitMs);
      return engine.workflows === 'away' ? nobody() : engine.takePayment(input);
    },
    startRefund(input, waitMs) {
      engine.startedRefunds.push(input);
      engine.waits.push(waitMs);
      return engine.workflows === 'away' ? nobody() : engine.takeRefund(input);
    },
    cancelPayment: (workflowId) => answer(engine, ['cancel', workflowId]),
    capturePayment: (workflowId, minor) => answer(engine, ['capture', workflowId, minor]),
    verifyPayment: (workflowId) => answer(engine, ['verify', workflowId]),
    decidePayment(workflowId, decision) {
      engine.decided.push({ workflowId, decision });
      return Promise.resolve(engine.update);
    },
    decideRefund(workflowId, decision) {
      engine.decided.push({ workflowId, decision });
      return Promise.resolve(engine.update);
    },
    deliver(workflowId, event, load) {
      engine.delivered.push({ workflowId, event });
      return deliver(engine, load);
    },
    deliverRefund(workflowId, event, load) {
      engine.deliveredRefunds.push({ workflowId, event });
      return deliver(engine, load);
    },
    ...createScriptedBatches(() => engine),
    storeCallback(event) {
      if (engine.workflows === 'away') return Promise.reject(new Error('Temporal is away'));
      engine.held.push(event);
      return Promise.resolve();
    },
    describe: () => Promise.resolve(engine.workflows === 'away' ? null : engine.execution),
    untilIdle: () => Promise.resolve(),
    isReachable: () => Promise.resolve(engine.workflows !== 'away'),
    findNamespaceWarnings: () => Promise.resolve(engine.lacking),
    findQueues: () => Promise.resolve([]),
    findFairness: () =>
      engine.fairness === 'away'
        ? Promise.reject(new Error('Temporal is away'))
        : Promise.resolve(engine.fairness),
    workflowUrl: (workflowId) => `http://temporal.example.test/${workflowId}`,
    reset: () => reset(engine),
  };
  return engine;
}

function answer(
  engine: ScriptedEngine,
  asked: ScriptedEngine['updates'][number],
): Promise<UpdateAnswer> {
  engine.updates.push(asked);
  return Promise.resolve(engine.update);
}

async function deliver<I extends PaymentInput | RefundInput>(
  engine: ScriptedEngine,
  load: LoadReopened<I>,
): Promise<Delivery> {
  if (engine.workflows === 'away') throw new Error('Temporal is away');
  if (engine.workflows === 'runs') return 'delivered';
  const late = await load();
  if (typeof late === 'string') return late;
  engine.late.push(late);
  return 'delivered';
}

/** A batch is there from its start, and never done. */
function createScriptedBatches(own: () => ScriptedEngine): Batches {
  return {
    startBatch(id, provider, control) {
      const engine = own();
      if (engine.workflows === 'away') return Promise.resolve(false);
      engine.batches.push({ id, provider, control });
      return Promise.resolve(true);
    },
    findBatch(id) {
      const engine = own();
      if (engine.workflows === 'away') return Promise.resolve(null);
      const batch = { status: 'running', payments: 1, done: 0, failed: 0 } as const;
      return Promise.resolve(engine.batches.some((it) => it.id === id) ? batch : 'unknown');
    },
  };
}

function reset(engine: ScriptedEngine): void {
  const {
    started,
    waits,
    startedRefunds,
    delivered,
    deliveredRefunds,
    late,
    updates,
    batches,
    held,
  } = engine;
  const lists = [
    started,
    waits,
    startedRefunds,
    delivered,
    deliveredRefunds,
    late,
    updates,
    batches,
    held,
  ];
  for (const list of lists) {
    list.length = 0;
  }
  engine.workflows = 'runs';
  engine.update = { kind: 'done' };
  engine.execution = null;
  engine.lacking = [];
  engine.fairness = 'on';
  engine.takePayment = nobody;
  engine.takeRefund = nobody;
}
