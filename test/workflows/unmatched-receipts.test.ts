import type { Standing } from '../../domain/payment.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import type { ProviderPolicy } from '../../domain/policy.ts';
import { paymentStart } from '../../temporal/start.ts';
import { decideUpdate, providerEventSignal } from '../../workflows/messages.ts';
import {
  delivered,
  type Harness,
  lateEvent,
  openHarness,
  outcome,
  PENDING,
  type Script,
  STANDING,
  type Story,
} from './harness.ts';

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

/** Two attempts were made: the first failed as pi_1, the second is pi_2. */
const standing = (status: PaymentStatus, own: string | null = 'pi_2'): Standing => ({
  ...STANDING,
  status,
  providerPaymentId: own,
  earlierProviderIds: ['pi_1'],
});
const paid = (providerPaymentId: string) => outcome('succeeded', { providerPaymentId });
const declined = (providerPaymentId: string) => outcome('declined', { providerPaymentId });
const unmatchedReceiptOf = (providerPaymentId: string) => ({
  action: 'payment.unmatched_receipt_found',
  unmatchedReceipt: {
    kind: 'succeeded',
    providerPaymentId,
    money: { amountMinor: 10_000, currency: 'KES' },
  },
  webhook: { status: 'applied' },
});

async function arrive(
  status: PaymentStatus,
  event: ReturnType<typeof delivered>,
  policy: Partial<ProviderPolicy> = {},
) {
  const script = { charge: () => PENDING, lookup: () => outcome('succeeded') };
  const { input, story } = harness.prepare(script, policy, { standing: standing(status) });
  story.status = status;
  const start = lateEvent(input, event);
  const handle = await harness.env.client.workflow.signalWithStart('payment', start);
  return { handle, story };
}

describe('after the end, money under another id', () => {
  it.each([
    ['of an earlier attempt', 'pi_1'],
    ['that nobody knows', 'pi_9'],
  ])('%s is an unmatched receipt of a paid payment', async (_whose, id) => {
    const { handle, story } = await arrive('succeeded', delivered(paid(id)));
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(story.entries).toMatchObject([{ ...unmatchedReceiptOf(id), event: null }]);
  });

  it('is an unmatched receipt as well when it is held, or of another amount', async () => {
    const held = outcome('authorized', { providerPaymentId: 'pi_1', money: null });
    const first = await arrive('succeeded', delivered(held));
    await first.handle.result();
    expect(first.story.entries).toMatchObject([
      { unmatchedReceipt: { kind: 'authorized', money: null } },
    ]);
    const other = { ...paid('pi_1'), money: { amountMinor: 1, currency: 'KES' } };
    const second = await arrive('succeeded', delivered(other));
    await second.handle.result();
    expect(second.story.entries).toMatchObject([
      { unmatchedReceipt: { money: { amountMinor: 1 } } },
    ]);
  });

  it('sends a failed payment to review, whatever the policy accepts', async () => {
    const policy = { late_success: 'accept' } as const;
    const { handle, story } = await arrive('failed', delivered(paid('pi_1')), policy);
    await harness.env.sleep('1h');
    expect(story.status).toBe('needs_review');
    expect(story.entries).toMatchObject([
      { ...unmatchedReceiptOf('pi_1'), reviewReason: 'late_success' },
    ]);
    expect(story.entries[0]?.outcome).toBeNull();
    const decision = {
      decision: 'failed',
      by: 'ops',
      reason: 'given back',
      receipt: null,
    } as const;
    expect(await handle.executeUpdate(decideUpdate, { args: [decision] })).toBe('failed');
  });

  it('does not end a payment’s success: the own id still settles nothing anew', async () => {
    const { handle, story } = await arrive('succeeded', delivered(paid('pi_2')));
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(story.entries).toMatchObject([{ action: 'payment.late_outcome' }]);
  });
});

describe('after the end, no money under another id', () => {
  it('is a repetition when it is of an earlier attempt', async () => {
    const { handle, story } = await arrive('succeeded', delivered(declined('pi_1')));
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(story.entries).toMatchObject([{ event: null, webhook: { status: 'applied' } }]);
  });

  it('is parked when nobody knows it', async () => {
    const { handle, story } = await arrive('failed', delivered(declined('pi_9')));
    expect(await handle.result()).toEqual({ status: 'failed' });
    expect(story.entries).toMatchObject([{ event: null, webhook: { status: 'parked' } }]);
  });
});

/** Until a callback's fate is written down. */
const untilHeard = async ({ entries, silent }: Story) => {
  while (![...entries, ...silent].some(({ webhook }) => webhook)) await harness.env.sleep('1s');
};

describe('a workflow that is built anew', () => {
  async function rebuild(script: Partial<Script>, own: string | null = null) {
    const { input, story } = harness.prepare(
      { charge: () => PENDING, lookup: () => null, ...script },
      {},
      { attemptOrdinal: 2, standing: standing('processing', own) },
    );
    story.status = 'processing';
    const handle = await harness.env.client.workflow.start('payment', paymentStart(input));
    return { handle, story };
  }

  it('takes a former attempt’s decline for what it is', async () => {
    const charge = () => ({ ...PENDING, providerPaymentId: null });
    const { handle, story } = await rebuild({ charge });
    await handle.signal(providerEventSignal, delivered(declined('pi_1')));
    await untilHeard(story);
    expect(story.status).toBe('processing');
    await handle.signal(providerEventSignal, delivered(paid('pi_2')));
    expect(await handle.result()).toEqual({ status: 'succeeded' });
  });

  it('knows the current attempt’s id before it asks the provider', async () => {
    const charge = () => ({ ...PENDING, providerPaymentId: null });
    const { handle, story } = await rebuild({ charge }, 'pi_2');
    await handle.signal(providerEventSignal, delivered(paid('pi_9')));
    await untilHeard(story);
    expect(story.status).toBe('processing');
    const heard = story.entries.find(({ webhook }) => webhook);
    expect(heard).toMatchObject({ ...unmatchedReceiptOf('pi_9'), event: null });
    await handle.signal(providerEventSignal, delivered(paid('pi_2')));
    expect(await handle.result()).toEqual({ status: 'succeeded' });
  });
});

describe('while it is open', () => {
  const again = { who: 'payer', after_ms: 1_000, auto: true } as const;
  const policy = {
    retry: { by_provider_code: { '1': again } },
    reattempt: { max_attempts: 2, fallback: [] },
  };

  it('money of an earlier attempt is an unmatched receipt; its own counts', async () => {
    let sends = 0;
    const charge = () => {
      sends += 1;
      return sends === 1 ? declined('pi_1') : { ...PENDING, providerPaymentId: null };
    };
    const { input, story } = harness.prepare({ charge, lookup: () => null }, policy);
    const handle = await harness.env.client.workflow.start('payment', paymentStart(input));
    while (sends < 2) await harness.env.sleep('1s');
    await handle.signal(providerEventSignal, delivered(paid('pi_1')));
    while (story.status !== 'needs_review') await harness.env.sleep('1s');
    const found = { ...unmatchedReceiptOf('pi_1'), event: 'gave_up', providerPaymentId: null };
    expect(story.entries.at(-1)).toMatchObject({ ...found, reviewReason: 'contradiction' });
    await handle.signal(providerEventSignal, delivered(paid('pi_2')));
    expect(await handle.result()).toEqual({ status: 'succeeded' });
  });
});
