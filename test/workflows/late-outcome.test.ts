import type { Decision } from '../../domain/decision.ts';
import type { LookupResult } from '../../domain/outcome.ts';
import type { PaymentInput } from '../../domain/payment.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import type { ProviderPolicy } from '../../domain/policy.ts';
import type { DeliveredEvent } from '../../domain/webhook-event.ts';
import { decideUpdate, providerEventSignal } from '../../workflows/messages.ts';
import {
  delivered,
  type Harness,
  lateEvent,
  openHarness,
  outcome,
  PENDING,
  STANDING,
} from './harness.ts';

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

async function arrive(
  status: PaymentStatus,
  event: DeliveredEvent,
  answer: LookupResult | null,
  policy: Partial<ProviderPolicy> = {},
  changes: Partial<PaymentInput> = {},
) {
  const script = { charge: () => PENDING, lookup: () => answer };
  const { input, story } = harness.prepare(script, policy, changes);
  story.status = status;
  const start = lateEvent(input, event, status);
  const handle = await harness.env.client.workflow.signalWithStart('payment', start);
  return { input, handle, story };
}

describe('a callback after the payment’s workflow has closed', () => {
  it('changes nothing when it says the same again', async () => {
    const { handle, story } = await arrive('succeeded', delivered(outcome('succeeded')), null);
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(story.entries).toHaveLength(1);
  });

  it('is refused and kept when it takes a success back', async () => {
    const { handle, story } = await arrive('succeeded', delivered(outcome('declined')), null);
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(story.status).toBe('succeeded');
  });

  it('makes late money visible, and a person decides', async () => {
    const success = outcome('succeeded');
    const { handle, story } = await arrive('failed', delivered(success), success);
    await harness.env.sleep('1h');
    expect(story.status).toBe('needs_review');
    expect(story.entries[0]).toMatchObject({ reviewReason: 'late_success' });
    const decision = { decision: 'succeeded', by: 'ops', reason: 'paid', receipt: null } as const;
    expect(await handle.executeUpdate(decideUpdate, { args: [decision] })).toBe('succeeded');
  });

  it('does not answer the question that it raised by saying the same again', async () => {
    const success = outcome('succeeded');
    const { handle, story } = await arrive('failed', delivered(success), success);
    await harness.env.sleep('1h');
    await handle.signal(providerEventSignal, delivered(success));
    await harness.env.sleep('1h');
    expect([story.status, story.entries.length]).toEqual(['needs_review', 2]);
    expect(story.entries[1]).toMatchObject({ event: null, webhook: { status: 'applied' } });
    const decision = { decision: 'failed', by: 'ops', reason: 'no', receipt: null } as const;
    expect(await handle.executeUpdate(decideUpdate, { args: [decision] })).toBe('failed');
  });

  it('is decided anew each time that it comes to review', async () => {
    const success = outcome('succeeded');
    const first = await arrive('failed', delivered(success), success);
    await harness.env.sleep('1h');
    const by = { by: 'ops', reason: 'looked into it', receipt: null } as const;
    const failed = { ...by, decision: 'failed' } as const;
    expect(await first.handle.executeUpdate(decideUpdate, { args: [failed] })).toBe('failed');
    await first.handle.result();
    const start = lateEvent(first.input, delivered(success));
    const again = await harness.env.client.workflow.signalWithStart('payment', start);
    await harness.env.sleep('1h');
    expect(first.story.status).toBe('needs_review');
    const paid = { ...by, decision: 'succeeded' } as const;
    expect(await again.executeUpdate(decideUpdate, { args: [paid] })).toBe('succeeded');
  });

  it('that names another phone waits for a person, whatever the policy', async () => {
    const forged = outcome('succeeded', { payerMismatch: true });
    const policy = { late_success: 'accept' } as const;
    const { handle, story } = await arrive('failed', delivered(forged), null, policy);
    while (story.status !== 'needs_review') await harness.env.sleep('1s');
    await harness.env.sleep('30h');
    const { event, reviewReason, webhook } = story.entries[0] ?? {};
    expect([event, reviewReason, webhook?.note]).toEqual([
      'succeeded',
      'late_amount_mismatch',
      'the payer does not match',
    ]);
    expect(story.status).toBe('needs_review');
    await handle.terminate();
  });

  it('is accepted by policy', async () => {
    const success = outcome('succeeded');
    const policy = { late_success: 'accept' } as const;
    const { handle } = await arrive('failed', delivered(success), success, policy);
    expect(await handle.result()).toEqual({ status: 'succeeded' });
  });

  it('is not accepted by policy when the provider says otherwise', async () => {
    const policy = { late_success: 'accept' } as const;
    const answer = outcome('declined');
    const { handle, story } = await arrive(
      'canceled',
      delivered(outcome('succeeded')),
      answer,
      policy,
    );
    await harness.env.sleep('1h');
    expect(story.status).toBe('needs_review');
    await handle.terminate();
  });

  // table
  it.each([
    ['confirms it', 'succeeded', outcome('succeeded', { money: null })],
    ['says nothing', 'needs_review', null],
    ['says otherwise', 'needs_review', outcome('declined')],
    [
      'tells of another amount',
      'needs_review',
      outcome('succeeded', { money: { amountMinor: 1, currency: 'KES' } }),
    ],
  ] as const)(
    'that names no amount, where the provider %s, is %s',
    async (_what, status, answer) => {
      const policy = { late_success: 'accept' } as const;
      const unpriced = delivered(outcome('succeeded', { money: null }));
      const { handle, story } = await arrive('failed', unpriced, answer, policy);
      while (story.status === 'failed') await harness.env.sleep('1s');
      await harness.env.sleep('1h');
      expect(story.status).toBe(status);
      if (status === 'needs_review') await handle.terminate();
    },
  );

  const CAN = {
    dedupes_by_our_id: false,
    looks_up_by_our_id: false,
    capture: false,
    cancel: false,
  } as const;
  const byReceipt = { can: { ...CAN, refund_needs: 'provider_receipt' } } as const;
  const byId = { can: { ...CAN, refund_needs: 'provider_payment_id' } } as const;
  const success = outcome('succeeded');
  const noReceipt = outcome('succeeded', { receipt: null });

  it.each([
    ['confirmed, by its receipt', success, success, byReceipt],
    ['confirmed, by its id', noReceipt, success, byId],
  ])('is given back by policy when it is %s', async (_what, said, answer, changes) => {
    const policy = { late_success: 'refund' } as const;
    const { handle, story } = await arrive('failed', delivered(said), answer, policy, changes);
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(story.givenBack).toBe(1);
    expect(story.entries.at(-1)?.cause).toBe('policy late_success: refund');
  });

  it.each([
    ['nobody confirms it', success, null, byReceipt],
    ['the provider says otherwise', success, outcome('declined'), byReceipt],
    ['the receipt for it is missing', noReceipt, success, byReceipt],
    ['the provider gives nothing back', success, success, { can: CAN }],
    ['it is held only', outcome('authorized'), outcome('authorized'), byReceipt],
  ])('is not given back by policy when %s', async (_what, said, answer, changes) => {
    const policy = { late_success: 'refund' } as const;
    const { handle, story } = await arrive('failed', delivered(said), answer, policy, changes);
    await harness.env.sleep('1h');
    expect([story.status, story.givenBack]).toEqual(['needs_review', 0]);
    await handle.terminate();
  });

  it('of a hold waits for a person, whatever the policy: nobody would capture it', async () => {
    const policy = { late_success: 'accept' } as const;
    const held = outcome('authorized');
    const { handle, story } = await arrive('failed', delivered(held), held, policy);
    await harness.env.sleep('1h');
    expect(story.status).toBe('needs_review');
    await handle.terminate();
  });

  it('is overtaken when it tells of a hold that the provider has let go since', async () => {
    const held = delivered(outcome('authorized'));
    const { handle, story } = await arrive('canceled', held, outcome('canceled'));
    expect(await handle.result()).toEqual({ status: 'canceled' });
    expect(story.entries).toMatchObject([{ webhook: { status: 'applied' } }]);
  });

  it('of a hold goes to review when the provider does not say that it was let go', async () => {
    const { handle, story } = await arrive('canceled', delivered(outcome('authorized')), null);
    await harness.env.sleep('1h');
    expect(story.status).toBe('needs_review');
    await handle.terminate();
  });

  // table
  it.each([
    ['failed', 'succeeded', { amountMinor: 5, currency: 'KES' }, 'amount'],
    ['canceled', 'succeeded', { amountMinor: 20_000, currency: 'KES' }, 'amount'],
    ['failed', 'succeeded', { amountMinor: 10_000, currency: 'USD' }, 'currency'],
    ['canceled', 'authorized', { amountMinor: 5, currency: 'KES' }, 'amount'],
  ] as const)(
    'needs a person when the payment had %s, and %s tells of %j',
    async (status, kind, money, wrong) => {
      const said = outcome(kind, { money });
      const policy = { late_success: 'accept' } as const;
      const { handle, story } = await arrive(status, delivered(said), said, policy);
      await harness.env.sleep('1h');
      expect(story.entries).toMatchObject([
        {
          cause: expect.stringContaining(`the ${wrong} does not match`),
          reviewReason: 'late_amount_mismatch',
          webhook: { status: 'parked' },
        },
      ]);
      expect(story.status).toBe('needs_review');
      // The right amount by another word is no answer to what shall become of it.
      await handle.signal(providerEventSignal, delivered(outcome('succeeded')));
      const paid = { decision: 'succeeded', by: 'ops', reason: 'seen', receipt: null } as const;
      const decide = (decision: Decision) =>
        handle.executeUpdate(decideUpdate, { args: [decision] });
      await expect(decide(paid)).rejects.toMatchObject({ cause: { type: 'invalid_decision' } });
      expect(await decide({ ...paid, amountMinor: 5 })).toBe('succeeded');
      expect(await handle.result()).toEqual({ status: 'succeeded' });
    },
  );

  it('is parked when another amount is told of a payment that has succeeded', async () => {
    const wrong = outcome('succeeded', { money: { amountMinor: 5, currency: 'KES' } });
    const standing = { ...STANDING, status: 'succeeded' } as const;
    const { handle, story } = await arrive('succeeded', delivered(wrong), null, {}, { standing });
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(story.entries).toMatchObject([{ event: null, webhook: { status: 'parked' } }]);
  });
});
