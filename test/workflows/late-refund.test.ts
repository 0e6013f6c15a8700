import type { RefundInput, RefundResult, RefundReviewReason } from '../../domain/refund.ts';
import { decideRefundUpdate, refundEventSignal } from '../../workflows/messages.ts';
import {
  ASKS,
  delivered,
  lateRefundEvent,
  openRefundHarness,
  outcome,
  PENDING,
  REFUND_STANDING,
  type RefundHarness,
} from './refund-harness.ts';

let harness: RefundHarness;
beforeAll(async () => {
  harness = await openRefundHarness();
});
afterAll(() => harness.close());

it('a success that the provider takes back is a failure', async () => {
  const { input, story } = harness.prepare({ refund: () => PENDING, lookupRefund: () => null });
  story.status = 'succeeded';
  const late = { ...input, standing: { ...REFUND_STANDING, status: 'succeeded' } } as const;
  const handle = await harness.env.client.workflow.signalWithStart(
    'refund',
    lateRefundEvent(late, delivered(outcome('failed'))),
  );
  expect(await handle.result()).toEqual({ status: 'failed' });
  expect(story.entries.map(({ action }) => action)).toEqual(['refund.taken_back']);
});

describe('a refund that lost its workflow while a person is asked', () => {
  async function tell(reviewReason: RefundReviewReason, event: RefundResult) {
    const { input, story } = harness.prepare({ refund: () => PENDING, lookupRefund: () => null });
    story.status = 'needs_review';
    const standing = { ...REFUND_STANDING, status: 'needs_review', reviewReason } as const;
    const late = { ...input, standing };
    const start = lateRefundEvent(late, delivered(event));
    const handle = await harness.env.client.workflow.signalWithStart('refund', start);
    return { handle, story };
  }

  // table
  it.each([
    ['no_answer', 'failed', outcome('failed')],
    ['no_answer', 'succeeded', outcome('succeeded')],
    ['amount_mismatch', 'succeeded', outcome('succeeded')],
    ['amount_mismatch', 'needs_review', outcome('failed')],
  ] as const)('for %s it is then %s, by the provider’s result', async (why, status, event) => {
    const { handle, story } = await tell(why, event);
    while (story.entries.length < 2) await harness.env.sleep('1s');
    expect(story.status).toBe(status);
    await handle.terminate().catch(() => undefined);
  });

  it.each(['late_success', 'over_refunded'] as const)(
    'for %s is held for a person',
    async (reason) => {
      const { handle, story } = await tell(reason, outcome('failed'));
      while (story.entries.length < 2) await harness.env.sleep('1s');
      expect(story.entries[1]?.cause).toContain(`in review (${reason})`);
      const decision = { decision: 'failed', by: 'ops', reason: 'seen', receipt: null } as const;
      expect(await handle.executeUpdate(decideRefundUpdate, { args: [decision] })).toBe('failed');
    },
  );
});

it('believes its row about why it is in review', async () => {
  const { input, story } = harness.prepare({ refund: () => PENDING, lookupRefund: () => null });
  Object.assign(story, { status: 'failed', reviewReason: 'over_refunded' });
  const start = lateRefundEvent(input, delivered(outcome('succeeded')));
  const handle = await harness.env.client.workflow.signalWithStart('refund', start);
  while (story.status !== 'needs_review') await harness.env.sleep('1s');
  await handle.signal(refundEventSignal, delivered(outcome('failed')));
  while (story.entries.length < 2) await harness.env.sleep('1s');
  expect(story.entries[1]?.cause).toContain('in review (over_refunded)');
  await handle.terminate();
});

describe('a success that is told of after the failure', () => {
  const tell = async (said: RefundResult | null, changes: Partial<RefundInput>) => {
    const script = { refund: () => PENDING, lookupRefund: () => said };
    const { input, story } = harness.prepare(script, {}, changes);
    story.status = 'failed';
    await harness.env.client.workflow.signalWithStart(
      'refund',
      lateRefundEvent(input, delivered(outcome('succeeded'))),
    );
    while (story.entries.length === 0) await harness.env.sleep('1s');
    return story;
  };

  it('is the older word where the provider says now that it failed', async () => {
    const story = await tell(outcome('failed'), ASKS);
    expect(story.status).toBe('failed');
    expect(story.entries).toMatchObject([
      { action: 'refund.callback_unclear', webhook: { status: 'applied' } },
    ]);
  });

  it.each([
    ['the provider says so as well', outcome('succeeded'), ASKS],
    ['the provider says nothing', null, ASKS],
    ['the provider cannot be asked', outcome('failed'), {}],
  ] as const)('needs a person where %s', async (_what, said, changes) => {
    expect((await tell(said, changes)).status).toBe('needs_review');
  });
});
