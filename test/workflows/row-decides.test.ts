import type { Decision } from '../../domain/decision.ts';
import { ProviderError } from '../../domain/error.ts';
import type { PaymentInput } from '../../domain/payment.ts';
import type { RecordRequest } from '../../domain/payment-record.ts';
import type { ProviderPolicy } from '../../domain/policy.ts';
import { policy } from '../../providers/mpesa/policy.ts';
import { paymentStart } from '../../temporal/start.ts';
import {
  cancelUpdate,
  captureUpdate,
  decideUpdate,
  providerEventSignal,
} from '../../workflows/messages.ts';
import {
  CAN,
  chargeFailure,
  delivered,
  type Harness,
  lateEvent,
  openHarness,
  outcome,
  PENDING,
  PROVIDER_PAYMENT_ID,
  type Script,
  STANDING,
  type Story,
} from './harness.ts';
import { untilIdle } from './test-server.ts';

/** Where the workflow’s memory and the payment’s row differ, the row decides. */
let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

/** Our own storage is away until the send’s deadline; then there is an hour to the next send. */
const PAUSE = { charge: { ...policy.charge, deadline_ms: 1_000, resend_after_ms: [3_600_000] } };
const SOON = { charge: { ...policy.charge, resend_after_ms: [1_000], max_sends: 2 } };

async function start(
  script: (story: () => Story) => Partial<Script>,
  changes: Partial<PaymentInput> = {},
  over: Partial<ProviderPolicy> = {},
) {
  let known: Story | null = null;
  const story = () => {
    if (known === null) throw new Error('the payment is not prepared yet');
    return known;
  };
  const full: Script = { charge: () => PENDING, lookup: () => null, ...script(story) };
  const prepared = harness.prepare(full, { ...SOON, ...over }, changes);
  known = prepared.story;
  const handle = await harness.env.client.workflow.start('payment', paymentStart(prepared.input));
  return { ...prepared, handle };
}

const refuse = (kind: ProviderError['kind'], dispatched: boolean): never => {
  throw chargeFailure(new ProviderError(kind, kind), dispatched);
};
/** A run of the send that was thought to be lost claims it, unknown to the workflow. */
const claimUnseen = (story: Story) => {
  story.status = 'processing';
  story.dispatchCount += 1;
};
const entry = ({ entries }: Story, action: RecordRequest['action']) =>
  entries.find((it) => it.action === action);

describe('a cancel while nobody can tell whether it was sent', () => {
  // table
  it.each([
    ['that the provider can take back is asked of the provider', CAN, 'canceled', ['cancel 10000']],
    ['that the provider cannot take back is refused', { ...CAN, cancel: false }, 'processing', []],
  ] as const)('%s', async (_what, can, status, settlements) => {
    const { handle, story } = await start(
      (known) => ({
        charge: () => {
          if (known().dispatchCount === 0) claimUnseen(known());
          return refuse('not_dispatched', false);
        },
        cancel: () => outcome('canceled'),
      }),
      { can },
      PAUSE,
    );
    await untilIdle(handle);
    // The provider’s id came by a callback in the meantime.
    const isTaken = { kind: 'pending', providerPaymentId: PROVIDER_PAYMENT_ID } as const;
    const event = delivered({ ...isTaken, providerCode: null, message: 'prompted' });
    await handle.signal(providerEventSignal, event);
    const answer = await handle.executeUpdate(cancelUpdate).catch(() => 'refused');
    expect(answer).toBe(status === 'canceled' ? 'canceled' : 'refused');
    expect([story.status, story.settlements]).toEqual([status, settlements]);
    expect(entry(story, 'payment.canceled')?.cause ?? '').not.toMatch(/before anything was sent/);
    if (status !== 'canceled') await handle.terminate();
  });

  it('ends it where the row says that nothing was claimed', async () => {
    const { handle, story } = await start(
      () => ({ charge: () => refuse('not_dispatched', false) }),
      { can: CAN },
      PAUSE,
    );
    await untilIdle(handle);
    expect(await handle.executeUpdate(cancelUpdate)).toBe('canceled');
    expect(story.settlements).toEqual([]);
  });
});

describe('a send that another run claims between the last refusal and the next step', () => {
  const again = { who: 'merchant', after_ms: 1_000, auto: true } as const;
  const retry = { by_code: { misconfigured: again } };
  const reattempt = { max_attempts: 2, fallback: [] };
  // table
  it.each([
    ['another attempt is not opened', { retry, reattempt }],
    ['the payment has not failed', {}],
  ])('may be at the provider: %s', async (_what, over) => {
    const { handle, story } = await start(
      (known) => ({
        charge: () => {
          claimUnseen(known());
          return refuse('misconfigured', false);
        },
      }),
      {},
      over,
    );
    while (entry(story, 'payment.answer_lost') === undefined) await harness.env.sleep('1s');
    expect([story.status, story.sends]).toEqual(['processing', 1]);
    await handle.signal(providerEventSignal, delivered(outcome('succeeded')));
    expect(await handle.result()).toEqual({ status: 'succeeded' });
  });
});

describe('a commit whose reply is lost', () => {
  const losesReplyOf = (is: (request: RecordRequest) => boolean) => {
    let isLost = false;
    return (request: RecordRequest) => {
      if (isLost || !is(request)) return;
      isLost = true;
      throw new Error('the connection was lost after the commit');
    };
  };
  const success = outcome('succeeded');

  // table
  it.each([
    ['accept', 'succeeded', 0],
    ['refund', 'succeeded', 1],
  ] as const)('leaves late money to the policy: %s', async (late_success, status, givenBack) => {
    const afterRecord = losesReplyOf(({ action }) => action === 'payment.late_outcome');
    const { input, story } = harness.prepare(
      { charge: () => PENDING, lookup: () => success, afterRecord },
      { late_success },
      {
        can: { ...CAN, refund_needs: 'provider_payment_id' },
        standing: { ...STANDING, status: 'failed', providerPaymentId: null },
      },
    );
    story.status = 'failed';
    const begin = lateEvent(input, delivered(success));
    const handle = await harness.env.client.workflow.signalWithStart('payment', begin);
    expect(await handle.result()).toEqual({ status });
    expect(story.givenBack).toBe(givenBack);
  });

  it('tells a second capture beside it what the first one took', async () => {
    const afterRecord = losesReplyOf(({ event }) => event === 'succeeded');
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { handle, story } = await start(
      () => ({
        charge: () => outcome('authorized'),
        async capture(amountMinor) {
          await released;
          return outcome('succeeded', { money: { amountMinor, currency: 'KES' } });
        },
        afterRecord,
      }),
      { can: CAN, captureMethod: 'manual' },
    );
    while (story.status !== 'authorized') await harness.env.sleep('1s');
    await untilIdle(handle);
    const ask = (amountMinor: number) =>
      handle.startUpdate(captureUpdate, { args: [{ amountMinor }], waitForStage: 'ACCEPTED' });
    const [first, second] = [await ask(4_000), await ask(3_000)];
    release();
    expect(await first.result()).toBe('succeeded');
    await expect(second.result()).rejects.toMatchObject({
      cause: { type: 'capture_refused', message: 'KES 40.00 (4000) was taken' },
    });
  });
});

it('a second decision in one run is recorded and answered like the first', async () => {
  const by = { by: 'ops', reason: 'seen in the portal', receipt: null } as const;
  const { promise: isUnavailable, resolve: tellUnavailable } = Promise.withResolvers<void>();
  let failures = 0;
  const { handle, story } = await start(() => ({
    charge: () => refuse('ambiguous', true),
    beforeRecord: (_tried, { action }) => {
      if (action !== 'payment.decided' || failures === 4) return;
      failures += 1;
      tellUnavailable();
      throw new Error('the database is away');
    },
  }));
  while (story.status !== 'needs_review') await harness.env.sleep('10m');
  await untilIdle(handle);
  const first = await handle.startUpdate(decideUpdate, {
    args: [{ ...by, decision: 'failed' }],
    waitForStage: 'ACCEPTED',
  });
  // Money comes while the first decision is being recorded: a person has to look again.
  await isUnavailable;
  await handle.signal(providerEventSignal, delivered(outcome('succeeded')));
  expect(await first.result()).toBe('failed');
  while (story.status !== 'needs_review') await harness.env.sleep('1s');
  await untilIdle(handle);
  const second: Decision = { ...by, decision: 'succeeded' };
  expect(await handle.executeUpdate(decideUpdate, { args: [second] })).toBe('succeeded');
  expect(story.entries.filter(({ action }) => action === 'payment.decided')).toHaveLength(2);
  expect(await handle.result()).toEqual({ status: 'succeeded' });
});
