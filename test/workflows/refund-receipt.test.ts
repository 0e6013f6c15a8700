import type { ReceiptAnswer, ReceiptEvent } from '../../domain/receipt.ts';
import type { RefundInput, RefundNews, RefundResult } from '../../domain/refund.ts';
import { refundStart } from '../../temporal/start.ts';
import { refundEventSignal } from '../../workflows/messages.ts';
import { openRefundHarness, type RefundHarness, type RefundScript } from './refund-harness.ts';

/** A refund of a payment that no callback told the receipt of. */
let harness: RefundHarness;
beforeAll(async () => {
  harness = await openRefundHarness();
});
afterAll(() => harness.close());

const CONVERSATION = '5c1a-4f0e-9b7d-3a2f41cdaf2b501234';
const ASKED: ReceiptAnswer = {
  kind: 'asked',
  question: { conversation: CONVERSATION, receivers: ['174379'] },
};
const TAKEN: RefundResult = {
  kind: 'pending',
  providerRefundId: 're_1',
  providerCode: null,
  message: 'taken',
};
const GIVEN_BACK: RefundResult = {
  kind: 'succeeded',
  providerRefundId: 're_1',
  receipt: 'UJ7R',
  amountMinor: 4_000,
  failure: null,
  providerCode: '0',
};
const TOLD: ReceiptEvent = {
  kind: 'receipt',
  receipt: 'UJ7A1B2C3D',
  amountMinor: 10_000,
  conversation: CONVERSATION,
  receiver: '174379',
  providerCode: '0',
  message: 'told',
};
const WITHOUT: Partial<RefundInput> = {
  providerReceipt: null,
  receiptToLearn: { capturedMinor: 10_000 },
};

let events = 0;
const delivered = (event: RefundNews) => {
  events += 1;
  return { eventId: `evt_${events}`, event, unstored: null };
};
async function start(script: Partial<RefundScript> = {}) {
  const { input, story } = harness.prepare(
    { refund: () => TAKEN, lookupRefund: () => null, learnReceipt: () => ASKED, ...script },
    {},
    WITHOUT,
  );
  const handle = await harness.env.client.workflow.start('refund', refundStart(input));
  const tell = (event: RefundNews) => handle.signal(refundEventSignal, delivered(event));
  return { story, handle, tell };
}
function failedWith(story: Awaited<ReturnType<typeof start>>['story']) {
  expect(story.sends).toBe(0);
  expect(story.status).toBe('failed');
  return story.entries.at(-1)?.outcome?.failure;
}

it('learns it, writes it down, and is made by it', async () => {
  const { story, handle, tell } = await start();
  while (story.entries.length === 0) await harness.env.sleep('1s');
  expect(story.entries).toMatchObject([{ action: 'refund.receipt_asked', waitingFor: 'callback' }]);
  await tell(TOLD);
  while (story.sends === 0) await harness.env.sleep('1s');
  await tell(GIVEN_BACK);
  expect(await handle.result()).toEqual({ status: 'succeeded' });
  expect(story.receipts).toEqual(['UJ7A1B2C3D']);
  expect(story.entries.map(({ action }) => action)).toEqual([
    'refund.receipt_asked',
    'refund.receipt_learned',
    'refund.provider_accepted',
    'refund.succeeded',
  ]);
  expect(story.entries[1]).toMatchObject({
    actor: 'provider',
    paymentReceipt: 'UJ7A1B2C3D',
    webhook: { status: 'applied' },
  });
});

it('is asked for again when its answer could not be read, a few times', async () => {
  let asked = 0;
  const learnReceipt = () => {
    asked += 1;
    return ASKED;
  };
  const { story, handle, tell } = await start({ learnReceipt });
  const unreadable: RefundResult = { ...TAKEN, kind: 'unknown', unclear: 'unreadable' };
  for (let sent = 1; sent <= 5; sent += 1) {
    await tell(unreadable);
    while (asked < Math.min(sent + 1, 4)) await harness.env.sleep('1s');
  }
  await tell(TOLD);
  while (story.sends === 0) await harness.env.sleep('1s');
  await tell(GIVEN_BACK);
  expect(await handle.result()).toEqual({ status: 'succeeded' });
  expect(asked).toBe(4);
});

it('is sent once where the receipt is told twice', async () => {
  const { story, handle, tell } = await start();
  await tell(TOLD);
  await tell(TOLD);
  while (story.sends === 0) await harness.env.sleep('1s');
  await tell(GIVEN_BACK);
  expect(await handle.result()).toEqual({ status: 'succeeded' });
  expect(story.receipts).toEqual(['UJ7A1B2C3D']);
});

// table
it.each([
  ['an amount that was not taken', { amountMinor: 4_000 }, 'another amount', 'parked'],
  ['no amount', { amountMinor: null }, 'another amount', 'parked'],
  ['another payment', { conversation: 'other' }, 'another payment', 'parked'],
  ['another receiver', { receiver: '600992' }, 'another receiver', 'parked'],
  ['no completed payment', { receipt: null, message: 'not found' }, 'not found', 'applied'],
] as const)('told of %s it fails, and nothing was sent', async (_what, changes, why, fate) => {
  const { story, handle, tell } = await start();
  await tell({ ...TOLD, ...changes });
  expect(await handle.result()).toEqual({ status: 'failed' });
  expect(failedWith(story)).toMatchObject({
    code: 'receipt_unknown',
    providerCode: '0',
    message: expect.stringMatching(`${why}.*Nothing was sent.*portal`),
  });
  expect(story.entries.at(-1)?.outcome?.providerCode).toBe('0');
  expect(story.entries.at(-1)?.webhook?.status).toBe(fate);
  expect(story.entries.some(({ paymentReceipt }) => paymentReceipt !== undefined)).toBe(false);
});

it('told a receipt of another payment it fails, and that money is not given back', async () => {
  const { story, handle, tell } = await start({ isReceiptTaken: true });
  await tell(TOLD);
  expect(await handle.result()).toEqual({ status: 'failed' });
  expect(failedWith(story)).toMatchObject({
    code: 'receipt_unknown',
    message: expect.stringContaining('of another payment'),
  });
});

it('told of a refused configuration it fails as that, with the provider’s code', async () => {
  const { story, handle, tell } = await start();
  const refused = { receipt: null, providerCode: '2001', message: 'check initiator_name' };
  await tell({ ...TOLD, ...refused, isMisconfigured: true });
  expect(await handle.result()).toEqual({ status: 'failed' });
  expect(failedWith(story)).toEqual({
    code: 'misconfigured',
    providerCode: '2001',
    message: 'check initiator_name',
  });
});

const said = (kind: 'unknown' | 'misconfigured'): ReceiptAnswer => ({
  kind,
  providerCode: '404.001.04',
  message: 'so it said',
});

// table
it.each([
  ['never answers', ASKED, 'receipt_unknown', 'did not tell it in time', null],
  ['cannot be heard', null, 'receipt_unknown', 'could not be asked', null],
  ['does not know', said('unknown'), 'receipt_unknown', 'so it said', '404.001.04'],
  ['lacks an initiator', said('misconfigured'), 'misconfigured', 'so it said', '404.001.04'],
] as const)(
  'of a provider that %s it fails, and nothing was sent',
  async (_what, it, code, why, providerCode) => {
    const { story, handle } = await start({ learnReceipt: () => it });
    expect(await handle.result()).toEqual({ status: 'failed' });
    const message = expect.stringContaining(why);
    expect(failedWith(story)).toMatchObject({ code, message, providerCode });
  },
);
