import type { WorkflowHandle } from '@temporalio/client';
import { ProviderError } from '../../domain/error.ts';
import type { ProviderPolicy } from '../../domain/policy.ts';
import { policy } from '../../providers/mpesa/policy.ts';
import { paymentStart } from '../../temporal/start.ts';
import { cancelUpdate, decideUpdate, providerEventSignal } from '../../workflows/messages.ts';
import {
  chargeFailure,
  delivered,
  type Harness,
  openHarness,
  outcome,
  PENDING,
  type Script,
} from './harness.ts';
import { untilIdle } from './test-server.ts';

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

async function start(script: Partial<Script>, policy: Partial<ProviderPolicy> = {}) {
  const full: Script = { charge: () => PENDING, lookup: () => null, ...script };
  const { input, story } = harness.prepare(full, policy);
  const handle = await harness.env.client.workflow.start('payment', paymentStart(input));
  return { input, story, handle };
}

/** Sends follow each other quickly. */
const SOON = { charge: { ...policy.charge, resend_after_ms: [1_000] } };

const actions = (story: { entries: readonly { action: string }[] }) =>
  story.entries.map(({ action }) => action);
const fails =
  (kind: ProviderError['kind'], dispatched = true, retryAfterMs: number | null = null) =>
  () => {
    throw chargeFailure(new ProviderError(kind, kind, { retryAfterMs }), dispatched);
  };
const historyLength = async (handle: WorkflowHandle) => (await handle.describe()).historyLength;

describe('a payment', () => {
  it('succeeds by its callback, and no question is asked', async () => {
    const { handle, story } = await start({});
    await untilIdle(handle);
    await handle.signal(providerEventSignal, delivered(outcome('succeeded')));
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(actions(story)).toEqual(['payment.provider_accepted', 'payment.succeeded']);
    expect(story.questions).toBe(0);
  });

  it('succeeds at once when the provider says so in its answer', async () => {
    const { handle, story } = await start({ charge: () => outcome('succeeded') });
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(actions(story)).toEqual(['payment.succeeded']);
  });

  it.each([
    ['declined', 'failed'],
    ['canceled', 'canceled'],
  ] as const)('ends when the callback says %s', async (kind, status) => {
    const { handle } = await start({});
    await untilIdle(handle);
    await handle.signal(providerEventSignal, delivered(outcome(kind)));
    expect(await handle.result()).toEqual({ status });
  });

  it('takes a callback that comes before the provider’s own answer', async () => {
    const { input, story } = harness.prepare({
      async charge() {
        const own = harness.env.client.workflow.getHandle(input.workflowId);
        await own.signal(providerEventSignal, delivered(outcome('succeeded')));
        return PENDING;
      },
      lookup: () => null,
    });
    const handle = await harness.env.client.workflow.start('payment', paymentStart(input));
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(story.questions).toBe(0);
  });

  it('is settled by asking when no callback comes, at one history for 1 or 10', async () => {
    const lengths: number[] = [];
    for (const needed of [1, 10]) {
      const { handle, story } = await start({
        lookup: (question) => (question < needed ? null : outcome('succeeded', { money: null })),
      });
      expect(await handle.result()).toEqual({ status: 'succeeded' });
      expect(story.questions).toBe(needed);
      lengths.push(await historyLength(handle));
    }
    expect(lengths[0]).toBe(lengths[1]);
  });

  it('needs review when nobody tells, and a late callback still settles it', async () => {
    const { handle, story } = await start({});
    await harness.env.sleep('30m');
    expect(story.status).toBe('needs_review');
    expect(story.entries.at(-1)?.reviewReason).toBe('no_answer');
    await handle.signal(providerEventSignal, delivered(outcome('succeeded')));
    expect(await handle.result()).toEqual({ status: 'succeeded' });
  });

  it('asks again while in review', async () => {
    let isKnown = false;
    const { handle, story } = await start({ lookup: () => (isKnown ? outcome('declined') : null) });
    await harness.env.sleep('30m');
    expect(story.status).toBe('needs_review');
    isKnown = true;
    expect(await handle.result()).toEqual({ status: 'failed' });
  });

  it('is never sent twice when the answer was lost, and the callback settles it', async () => {
    const { handle, story } = await start({ charge: fails('ambiguous') });
    await untilIdle(handle);
    await handle.signal(providerEventSignal, delivered(outcome('succeeded')));
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(story.sends).toBe(1);
    expect(actions(story)).toEqual(['payment.answer_lost', 'payment.succeeded']);
  });

  it('needs review when the answer was lost and no callback comes; a person decides', async () => {
    const { handle, story } = await start({ charge: fails('ambiguous') });
    await harness.env.sleep('30m');
    expect(story.status).toBe('needs_review');
    expect(story.sends).toBe(1);
    const decision = {
      decision: 'failed',
      by: 'ops@example.test',
      reason: 'statement',
      receipt: null,
    } as const;
    await expect(
      handle.executeUpdate(decideUpdate, { args: [{ ...decision, reason: ' ' }] }),
    ).rejects.toMatchObject({ cause: { type: 'invalid_decision' } });
    expect(await handle.executeUpdate(decideUpdate, { args: [decision] })).toBe('failed');
    expect(story.entries.at(-1)).toMatchObject({
      actor: 'operator',
      cause: 'ops@example.test: statement',
    });
  });

  it.each(['unsent', 'rate_limited'] as const)('is sent again after %s', async (kind) => {
    const { handle, story } = await start({
      charge: (send) => (send === 1 ? fails(kind, true, 90_000)() : outcome('succeeded')),
    });
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(story.sends).toBe(2);
    expect(story.entries[0]).toMatchObject({ waitingFor: 'resend', waitMs: 90_000 });
  });

  it('fails when the provider never takes it, after as many sends as the policy says', async () => {
    const { handle, story } = await start({ charge: fails('unsent') });
    expect(await handle.result()).toEqual({ status: 'failed' });
    expect(story.sends).toBe(3);
    expect(story.entries.at(-1)?.outcome?.failure?.code).toBe('provider_unavailable');
  });

  it.each([
    ['claimed ones only', [true, false], [1, 2]],
    ['none that was claimed', [false, false], [1, 1]],
    ['a claimed one last', [false, true], [1, 1]],
  ] as const)('fails after sends that did nothing: %s', async (_name, dispatched, numbers) => {
    let tried = 0;
    const charge = () => {
      tried += 1;
      return fails('unsent', dispatched[tried - 1])();
    };
    const twice = { charge: { ...SOON.charge, max_sends: 2 } };
    const { handle, story } = await start({ charge }, twice);
    expect(await handle.result()).toEqual({ status: 'failed' });
    expect(story.sendNumbers).toEqual(numbers);
    expect(actions(story)).toEqual(['payment.resend_planned', 'payment.failed']);
    expect(story.entries.at(-1)?.outcome?.failure?.code).toBe('provider_unavailable');
  });

  it('a send that was not claimed is made under the same number', async () => {
    let tried = 0;
    const charge = () => {
      tried += 1;
      return tried < 3 ? fails('unsent', false)() : PENDING;
    };
    const { handle, story } = await start({ charge }, SOON);
    await harness.env.sleep('10s');
    await handle.signal(providerEventSignal, delivered(outcome('succeeded')));
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(story.sendNumbers).toEqual([1, 1, 1]);
  });

  it('with our own storage away to the end, what was claimed needs review', async () => {
    let tried = 0;
    const charge = () => {
      tried += 1;
      // Claimed by a run that was lost, and nobody could tell the later ones.
      return tried === 1 ? fails('unsent', true)() : fails('not_dispatched', false)();
    };
    const { handle, story } = await start({ charge }, SOON);
    await harness.env.sleep('45m');
    expect(story.status).toBe('needs_review');
    expect(story.entries.at(-1)).toMatchObject({ event: 'gave_up', reviewReason: 'no_answer' });
    const cancel = handle.executeUpdate(cancelUpdate);
    await expect(cancel).rejects.toMatchObject({ cause: { type: 'already_sent' } });
    await handle.signal(providerEventSignal, delivered(outcome('succeeded')));
    expect(await handle.result()).toEqual({ status: 'succeeded' });
  });

  it('goes to another attempt where the policy names it, when nothing was ever sent', async () => {
    let tried = 0;
    const charge = () => {
      tried += 1;
      return tried === 1 ? fails('unsent', false)() : outcome('succeeded');
    };
    const again = { who: 'later', after_ms: 1_000, auto: true } as const;
    const retry = { by_code: { provider_unavailable: again } };
    const reattempt = { max_attempts: 2, fallback: [] };
    const once = { charge: { ...SOON.charge, max_sends: 1 }, retry, reattempt };
    const { handle, story } = await start({ charge }, once);
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(actions(story)).toEqual(['payment.reattempt_planned', 'payment.succeeded']);
  });

  it('fails as busy when the payer is, each time that it is sent', async () => {
    const busy = () => {
      const error = new ProviderError('unsent', 'busy', { failureCode: 'payer_busy' });
      throw chargeFailure(error, true);
    };
    const { handle, story } = await start({ charge: busy }, SOON);
    expect(await handle.result()).toEqual({ status: 'failed' });
    expect(story.sends).toBe(SOON.charge.max_sends);
    expect(story.entries.at(-1)?.outcome?.failure?.code).toBe('payer_busy');
  });

  it('fails at once on a misconfiguration, before anything was sent', async () => {
    const { handle, story } = await start({ charge: fails('misconfigured', false) });
    expect(await handle.result()).toEqual({ status: 'failed' });
    expect(story.sends).toBe(1);
    expect(story.entries.at(-1)).toMatchObject({ event: 'gave_up' });
  });

  it('is not believed with another amount, and settles by the right one', async () => {
    const { handle, story } = await start({});
    const wrong = outcome('succeeded', { money: { amountMinor: 1, currency: 'KES' } });
    while (story.sends === 0) await harness.env.sleep('1s');
    await handle.signal(providerEventSignal, delivered(wrong));
    await harness.env.sleep('1m');
    expect(story.status).toBe('needs_review');
    expect(story.entries.at(-1)).toMatchObject({
      reviewReason: 'amount_mismatch',
      webhook: { status: 'parked' },
    });
    await handle.signal(providerEventSignal, delivered(outcome('succeeded')));
    expect(await handle.result()).toEqual({ status: 'succeeded' });
  });

  it('parks a callback that names another payment of the provider, and goes on', async () => {
    const { handle, story } = await start({});
    await untilIdle(handle);
    const before = story.entries.length;
    const other = outcome('declined', { providerPaymentId: 'ws_CO_other' });
    await handle.signal(providerEventSignal, delivered(other));
    while (story.entries.length === before) await harness.env.sleep('1s');
    expect(story.entries.at(-1)).toMatchObject({
      action: 'payment.callback_refused',
      webhook: { status: 'parked' },
    });
    await handle.signal(providerEventSignal, delivered(outcome('declined')));
    expect(await handle.result()).toEqual({ status: 'failed' });
  });

  it('does not fail by an unknown code: it asks, then needs review', async () => {
    const { handle, story } = await start({});
    const unclear = {
      kind: 'unknown',
      providerPaymentId: null,
      providerCode: '7777',
      message: 'code 7777',
    } as const;
    await untilIdle(handle);
    await handle.signal(providerEventSignal, delivered(unclear));
    await harness.env.sleep('30m');
    expect(story.status).toBe('needs_review');
    expect(story.questions).toBeGreaterThan(3);
    await handle.terminate();
  });

  it('applies the same event once, however often it is signalled', async () => {
    const { handle, story } = await start({ charge: fails('ambiguous') });
    const twin = delivered(outcome('succeeded'));
    await untilIdle(handle);
    await Promise.all(
      Array.from({ length: 50 }, () => handle.signal(providerEventSignal, twin).catch(() => null)),
    );
    await handle.result();
    expect(actions(story).filter((action) => action === 'payment.succeeded')).toHaveLength(1);
  });

  it('can be canceled while nothing is out, and not any more once it is', async () => {
    const waiting = await start({ charge: fails('unsent') });
    await untilIdle(waiting.handle);
    expect(await waiting.handle.executeUpdate(cancelUpdate)).toBe('canceled');
    expect(waiting.story.sends).toBe(1);
    const out = await start({});
    await untilIdle(out.handle);
    await expect(out.handle.executeUpdate(cancelUpdate)).rejects.toMatchObject({
      cause: { type: 'already_sent' },
    });
    await out.handle.terminate();
  });

  it('goes to review when the policy’s check contradicts the callback', async () => {
    const { handle, story } = await start(
      { lookup: () => outcome('declined') },
      { confirm_callback_from_minor: 5_000 },
    );
    while (story.status === 'created') await harness.env.sleep('1s');
    await handle.signal(providerEventSignal, delivered(outcome('succeeded')));
    await harness.env.sleep('10s');
    expect(story.status).toBe('needs_review');
    expect(story.entries.at(-1)?.reviewReason).toBe('contradiction');
    await handle.terminate();
  });

  it('writes on when the database comes back after a while', async () => {
    const { handle, story } = await start({
      beforeRecord: (tried) => {
        if (tried < 8) throw new Error('the database is away');
      },
      charge: () => outcome('succeeded'),
    });
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(actions(story)).toEqual(['payment.succeeded']);
  });

  it('keeps a callback that came while the database was away', async () => {
    const { handle, story } = await start({});
    const event = delivered(outcome('succeeded'));
    const unstored = {
      id: event.eventId,
      provider: 'mpesa',
      account: null,
      eventKey: 'k',
      status: 'received',
      workflowId: handle.workflowId,
      event: event.event,
      bodyCipher: '',
      headers: {},
      verifiedBy: 'token',
      remoteAddress: null,
      error: null,
    } as const;
    await untilIdle(handle);
    await handle.signal(providerEventSignal, { ...event, unstored });
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(story.kept).toContain(event.eventId);
  });
});
