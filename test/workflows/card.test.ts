import { WithStartWorkflowOperation, WorkflowUpdateFailedError } from '@temporalio/client';
import { failure, ProviderError } from '../../domain/error.ts';
import type { ChargeResult } from '../../domain/outcome.ts';
import type { PaymentInput } from '../../domain/payment.ts';
import type { ProviderPolicy } from '../../domain/policy.ts';
import { paymentStart } from '../../temporal/start.ts';
import {
  cancelUpdate,
  captureUpdate,
  FIRST_STATE_UPDATE_ID,
  firstStateUpdate,
  providerEventSignal,
  verifyUpdate,
} from '../../workflows/messages.ts';
import { POLICY } from '../factories.ts';
import {
  CAN,
  chargeFailure,
  delivered,
  type Harness,
  openHarness,
  outcome,
  PENDING,
  PROVIDER_PAYMENT_ID,
  type Script,
} from './harness.ts';
import { untilIdle } from './test-server.ts';

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

const ACTION: ChargeResult = {
  kind: 'action_required',
  providerPaymentId: PROVIDER_PAYMENT_ID,
  providerCode: null,
  message: '3-D Secure',
  nextAction: { type: 'redirect_to_url', url: 'https://bank.test/3ds' },
};

async function start(
  script: Partial<Script>,
  policy: Partial<ProviderPolicy> = {},
  changes: Partial<PaymentInput> = {},
) {
  const full: Script = { charge: () => PENDING, lookup: () => null, ...script };
  const { input, story } = harness.prepare(full, policy, { can: CAN, ...changes });
  const handle = await harness.env.client.workflow.start('payment', paymentStart(input));
  return { input, story, handle };
}
const startHeld = (script: Partial<Script>, policy: Partial<ProviderPolicy> = {}) =>
  start({ charge: () => outcome('authorized'), ...script }, policy, { captureMethod: 'manual' });
type Started = Pick<Awaited<ReturnType<typeof startHeld>>, 'handle' | 'story'>;
const untilHeld = async ({ handle, story }: Started) => {
  while (story.status !== 'authorized') await new Promise((resolve) => setTimeout(resolve, 20));
  await untilIdle(handle);
};
const refusalOf = async (update: Promise<unknown>) => {
  const error = await update.catch((thrown: unknown) => thrown);
  if (!(error instanceof WorkflowUpdateFailedError)) throw new Error('it was not refused');
  return error.cause !== undefined && 'type' in error.cause ? error.cause.type : null;
};

describe('a card payment', () => {
  it('that succeeds at once costs 14 events of history', async () => {
    const { input } = harness.prepare(
      { charge: () => outcome('succeeded'), lookup: () => null },
      {},
      { can: CAN },
    );
    const startWorkflowOperation = new WithStartWorkflowOperation('payment', paymentStart(input));
    await harness.env.client.workflow.executeUpdateWithStart(firstStateUpdate, {
      updateId: FIRST_STATE_UPDATE_ID,
      startWorkflowOperation,
    });
    const handle = await startWorkflowOperation.workflowHandle();
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect((await handle.describe()).historyLength).toBeLessThanOrEqual(14);
  });

  it('waits for the payer’s authentication, and its event settles it', async () => {
    const { handle, story } = await start({ charge: () => ACTION });
    while (story.status !== 'requires_action') await harness.env.sleep('1s');
    await handle.signal(providerEventSignal, delivered(outcome('succeeded')));
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(story.entries[0]).toMatchObject({
      action: 'payment.action_required',
      nextAction: ACTION.nextAction,
    });
  });

  it('that nobody authenticates is let go at the provider', async () => {
    const { handle, story } = await start({
      charge: () => ACTION,
      cancel: () => outcome('canceled'),
    });
    expect(await handle.result()).toEqual({ status: 'canceled' });
    expect(story.settlements).toEqual(['cancel 10000']);
    expect(story.entries.at(-1)?.outcome?.failure?.code).toBe('prompt_expired');
  });

  it('that the payer authenticates while it is let go counts as paid', async () => {
    const { handle } = await start({ charge: () => ACTION, cancel: () => outcome('succeeded') });
    expect(await handle.result()).toEqual({ status: 'succeeded' });
  });

  it('is looked up by our own id when the provider’s answer was lost', async () => {
    const { handle, story } = await start({
      charge: () => {
        throw chargeFailure(new ProviderError('ambiguous', 'lost'), true);
      },
      lookup: () => outcome('succeeded'),
    });
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(story.sends).toBe(1);
  });
});

describe('a held payment', () => {
  it('is captured in part', async () => {
    const { handle, story } = await startHeld({
      capture: (amountMinor) => outcome('succeeded', { money: { amountMinor, currency: 'KES' } }),
    });
    await untilHeld({ handle, story });
    const status = await handle.executeUpdate(captureUpdate, { args: [{ amountMinor: 4_000 }] });
    expect(status).toBe('succeeded');
    expect(story.settlements).toEqual(['capture 4000']);
  });

  it('refuses a capture of more, and one before it is held', async () => {
    const held = await startHeld({});
    await untilHeld(held);
    const more = held.handle.executeUpdate(captureUpdate, { args: [{ amountMinor: 10_001 }] });
    expect(await refusalOf(more)).toBe('capture_refused');
    const waiting = await start({});
    await untilIdle(waiting.handle);
    const early = waiting.handle.executeUpdate(captureUpdate, { args: [{ amountMinor: 1 }] });
    expect(await refusalOf(early)).toBe('not_authorized');
    for (const { handle } of [waiting, held]) {
      await handle.signal(providerEventSignal, delivered(outcome('declined')));
      expect(await handle.result()).toEqual({ status: 'failed' });
    }
  });

  it('stays held when the provider refuses the capture, and may be captured again', async () => {
    const { handle, story } = await startHeld({
      capture: (_amount, times) => {
        if (times === 1) throw chargeFailure(new ProviderError('misconfigured', 'no'), true);
        return outcome('succeeded');
      },
    });
    await untilHeld({ handle, story });
    const capture = () => handle.executeUpdate(captureUpdate, { args: [{ amountMinor: 10_000 }] });
    expect(await refusalOf(capture())).toBe('capture_refused');
    expect(story.status).toBe('authorized');
    expect(await capture()).toBe('succeeded');
  });

  it('is canceled', async () => {
    const { handle, story } = await startHeld({ cancel: () => outcome('canceled') });
    await untilHeld({ handle, story });
    expect(await handle.executeUpdate(cancelUpdate)).toBe('canceled');
  });

  it.each([
    ['canceled', 'canceled', 'payment.callback_unclear'],
    ['authorized', 'needs_review', 'payment.late_outcome'],
  ] as const)(
    'that is told of again while it is let go is asked about: %s',
    async (said, status, action) => {
      const { handle, story } = await startHeld({
        lookup: () => outcome(said),
        cancel: async () => {
          await handle.signal(providerEventSignal, delivered(outcome('authorized')));
          return outcome('canceled');
        },
      });
      await untilHeld({ handle, story });
      await handle.executeUpdate(cancelUpdate);
      while (story.entries.at(-1)?.action !== action) await harness.env.sleep('100ms');
      expect(story.status).toBe(status);
    },
  );

  it('is let go when nobody captures it in time', async () => {
    const { handle, story } = await startHeld(
      { cancel: () => outcome('canceled') },
      { authorization: { expires_after_ms: 600_000 } },
    );
    expect(await handle.result()).toEqual({ status: 'canceled' });
    expect(story.entries.at(-1)?.outcome?.failure?.code).toBe('authorization_expired');
  });

  it('needs a person when letting it go cannot be confirmed', async () => {
    const { handle, story } = await startHeld(
      { cancel: () => ({ ...PENDING, kind: 'pending', message: 'busy' }) },
      { authorization: { expires_after_ms: 60_000 } },
    );
    await harness.env.sleep('10m');
    expect(story.status).toBe('needs_review');
    await handle.signal(providerEventSignal, delivered(outcome('canceled')));
    expect(await handle.result()).toEqual({ status: 'canceled' });
  });
});

describe('on a merchant’s word', () => {
  it('the provider is asked now, and its answer settles', async () => {
    let isPaid = false;
    const { handle } = await start({ lookup: () => (isPaid ? outcome('succeeded') : null) });
    await untilIdle(handle);
    isPaid = true;
    expect(await handle.executeUpdate(verifyUpdate)).toMatchObject({
      status: 'succeeded',
      isAsked: true,
    });
    expect(await refusalOf(handle.executeUpdate(verifyUpdate)).catch(() => 'gone')).toBe('gone');
  });

  it('a cancel that comes too late says so', async () => {
    const { handle } = await start({ cancel: () => outcome('succeeded') });
    await untilIdle(handle);
    expect(await refusalOf(handle.executeUpdate(cancelUpdate))).toBe('payment_closed');
    expect(await handle.result()).toEqual({ status: 'succeeded' });
  });
});

describe('another attempt', () => {
  const FINAL = { isFinal: true } as const;
  const declined = (code: string, providerPaymentId: string) =>
    outcome('declined', {
      providerPaymentId,
      providerCode: code,
      failure: failure('card_refused', code),
    });
  const again = { who: 'later', after_ms: 5_000, auto: true } as const;
  const byTheirs = { by_provider_code: { try_again_later: again } };
  const byOurs = { by_code: { card_refused: again } };
  const reattempt = { max_attempts: 2, fallback: [] };
  const policy = { retry: byTheirs, reattempt };

  it('is made after a failure that the policy names, with an id of its own', async () => {
    let sends = 0;
    const { handle, story, input } = await start(
      {
        charge: () => {
          sends += 1;
          return sends === 1
            ? declined('try_again_later', 'pi_1')
            : outcome('succeeded', { providerPaymentId: 'pi_2' });
        },
      },
      policy,
    );
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(sends).toBe(2);
    expect(story.entries.map(({ action, attemptId }) => [action, attemptId])).toEqual([
      ['payment.reattempt_planned', input.attemptId],
      ['payment.succeeded', `${input.attemptId}+`],
    ]);
  });

  it('goes to the provider that the policy names for it', async () => {
    const sent: string[] = [];
    const route = { provider: 'mpesa', credentialsRef: 'config:other', policy: POLICY, can: CAN };
    const { handle, story } = await start(
      {
        charge: (_send, input) => {
          sent.push(input.credentialsRef);
          return sent.length === 1 ? declined('try_again_later', 'pi_1') : outcome('succeeded');
        },
      },
      policy,
      { fallbacks: [route] },
    );
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(sent).toEqual(['env:mpesa', 'config:other']);
    expect(story.entries[0]).toMatchObject({ route: { credentialsRef: 'config:other' } });
  });

  it.each([
    ['the provider’s code', byTheirs, {}, 2],
    ['our own', byOurs, {}, 2],
    ['the provider’s code, of a decline that is final', byTheirs, FINAL, 1],
    ['our own, of a decline that is final', byOurs, FINAL, 1],
  ])('by %s', async (_what, retry, changes, expected) => {
    let sends = 0;
    const { handle } = await start(
      {
        charge: () => {
          sends += 1;
          return { ...declined('try_again_later', `pi_${sends}`), ...changes };
        },
      },
      { retry, reattempt },
    );
    expect(await handle.result()).toEqual({ status: 'failed' });
    expect(sends).toBe(expected);
  });

  it.each([
    ['a failure that the policy does not name', 'do_not_honor', 1],
    ['the last attempt', 'try_again_later', 2],
  ])('is not made after %s', async (_what, code, expected) => {
    let sends = 0;
    const { handle } = await start(
      {
        charge: () => {
          sends += 1;
          return declined(code, `pi_${sends}`);
        },
      },
      policy,
    );
    expect(await handle.result()).toEqual({ status: 'failed' });
    expect(sends).toBe(expected);
  });
});
