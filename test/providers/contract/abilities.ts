import type { Provider } from '../../../domain/provider.ts';
import type { RefundRequest } from '../../../domain/refund.ts';
import {
  chargeToEnd,
  type Delivery,
  eventAbout,
  listTaken,
  makeContext,
  nextSerial,
  type Settled,
  type Stage,
  takeOutcomes,
} from './stage.ts';

/** What a provider may lack; the first four are methods of its client. */
function readAbilities({ capabilities }: Provider) {
  return {
    capture: capabilities.capture,
    cancel: capabilities.cancel,
    refund: capabilities.refund !== 'none',
    lookupRefund: capabilities.looks_up_refunds !== 'none',
    'repeating by our key': capabilities.dedupe_window_ms !== null,
    'looking up by our id': capabilities.looks_up_by_our_id,
  };
}

const METHODS = ['capture', 'cancel', 'refund', 'lookupRefund'];
const ADD_CASES = { capture: addCaptureCases, cancel: addCancelCases, refund: addRefundCases };

export function addAbilityCases(stage: Stage): void {
  const abilities = Object.entries(readAbilities(stage.description.provider));
  const lacks = abilities.flatMap(([name, has]) => (has ? [] : [name]));

  it(`lacks ${lacks.join(', ') || 'nothing'}, and has the rest`, () => {
    const missing = METHODS.filter((name) => !(name in stage.client()));
    expect(missing).toEqual(METHODS.filter((name) => lacks.includes(name)));
  });
  for (const [name, addCases] of Object.entries(ADD_CASES)) {
    if (!lacks.includes(name)) describe(name, () => addCases(stage));
  }
}

const PARTS = [
  ['all', 1],
  ['half', 2],
] as const;

async function authorize(stage: Stage): Promise<Settled> {
  const held = await chargeToEnd(stage, stage.description.pays, { captureMethod: 'manual' });
  expect(held.result).toMatchObject({ kind: 'authorized', money: held.request.amount });
  expect(await listTaken(stage, held.request)).toEqual([0]);
  return held;
}

function followUp({ request, providerPaymentId }: Settled, step: 'capture' | 'cancel') {
  const { paymentId, attemptId, amount } = request;
  const idempotencyKey = `${paymentId}/${attemptId}/${step}`;
  return { providerPaymentId, idempotencyKey, amount, timeoutMs: 5_000 };
}

function addCaptureCases(stage: Stage): void {
  const capture = async (held: Settled, amountMinor: number) => {
    const request = {
      ...followUp(held, 'capture'),
      amount: { ...held.request.amount, amountMinor },
    };
    return await stage.client().capture?.(request, new AbortController().signal);
  };

  it.each(PARTS)('takes %s of what was held, once', async (_part, divisor) => {
    const held = await authorize(stage);
    const amountMinor = held.request.amount.amountMinor / divisor;
    const expected = { kind: 'succeeded', money: { ...held.request.amount, amountMinor } };
    expect(await capture(held, amountMinor)).toMatchObject(expected);
    expect(await capture(held, amountMinor)).toMatchObject(expected);
    expect(await listTaken(stage, held.request)).toEqual([amountMinor]);
  });
}

function addCancelCases(stage: Stage): void {
  const cancel = async (payment: Settled) =>
    await stage.client().cancel?.(followUp(payment, 'cancel'), new AbortController().signal);

  it('lets go of what was held', async () => {
    const held = await authorize(stage);
    expect(await cancel(held)).toMatchObject({ kind: 'canceled' });
    expect(await listTaken(stage, held.request)).toEqual([0]);
  });

  it('says succeeded when the payer was faster', async () => {
    const paid = await chargeToEnd(stage, stage.description.pays);
    expect(await cancel(paid)).toMatchObject({ kind: 'succeeded' });
    expect(await listTaken(stage, paid.request)).toEqual([paid.request.amount.amountMinor]);
  });
}

/** A refund of this much of a payment, with what its callback told. */
async function makeRefund(
  stage: Stage,
  paid: Settled,
  amountMinor: number,
): Promise<RefundRequest> {
  const { request, providerPaymentId } = paid;
  const own = nextSerial();
  const refundId = `ref_contract${own}`;
  const [delivery] = await takeOutcomes(stage, providerPaymentId);
  const told = delivery && eventAbout(stage, providerPaymentId, delivery);
  const channels = stage.description.provider.refundWebhooks.map(({ channel }) => channel);
  const callbackUrl = `${stage.receiver().url}/${refundId}`;
  return {
    refundId,
    paymentId: request.paymentId,
    workflowId: `refund-${String(own).padStart(32, '0')}`,
    idempotencyKey: `${request.paymentId}/${refundId}`,
    amount: { ...request.amount, amountMinor },
    providerPaymentId,
    providerReceipt: told && 'receipt' in told.event ? told.event.receipt : null,
    reason: 'returned',
    callbackUrls: Object.fromEntries(channels.map((it) => [it, `${callbackUrl}/${it}`])),
    timeoutMs: 5_000,
  };
}

function addRefundCases(stage: Stage): void {
  const { pays, provider } = stage.description;
  const { refund: manner, dedupe_window_ms, looks_up_refunds } = provider.capabilities;
  const refund = (request: RefundRequest, context = makeContext()) => {
    const client = stage.client();
    if (client.refund === undefined) throw new Error('it has no refund');
    return client.refund(request, context);
  };
  const readRefunded = async ({ request }: Settled) => {
    const payments = await stage.simulator().listPayments(request);
    return payments.map(({ refundedMinor }) => refundedMinor);
  };

  it.each(PARTS)('gives back %s of what was taken', async (_part, divisor) => {
    const paid = await chargeToEnd(stage, pays);
    const amountMinor = paid.request.amount.amountMinor / divisor;
    const request = await makeRefund(stage, paid, amountMinor);
    const answer = await refund(request);
    expect(answer.kind).toBe(manner === 'sync' ? 'succeeded' : 'pending');
    if (answer.kind === 'pending') await takeRefundEvent(stage, request);
    expect(await readRefunded(paid)).toEqual([amountMinor]);
    if (looks_up_refunds !== 'none') {
      const { refundId, providerPaymentId, callbackUrls } = request;
      const { providerRefundId } = answer;
      const question = { refundId, providerPaymentId, providerRefundId, callbackUrls };
      const { signal } = new AbortController();
      const found = await stage.client().lookupRefund?.({ ...question, timeoutMs: 5_000 }, signal);
      const kind = looks_up_refunds === 'sync' ? 'succeeded' : 'pending';
      expect(found).toMatchObject({ kind, providerRefundId });
      if (looks_up_refunds === 'async') await takeRefundEvent(stage, request, 2);
    }
    if (dedupe_window_ms === null) return;
    expect(await refund(request)).toMatchObject({ kind: answer.kind });
    expect(await readRefunded(paid)).toEqual([amountMinor]);
  });

  it('gives nothing back when the dispatch is refused', async () => {
    const paid = await chargeToEnd(stage, pays);
    const request = await makeRefund(stage, paid, paid.request.amount.amountMinor);
    const refusal = new Error('written before');
    const dispatch = () => Promise.reject(refusal);
    await expect(refund(request, makeContext({ dispatch }))).rejects.toBe(refusal);
    expect(await readRefunded(paid)).toEqual([0]);
  });
}

/** Waits for the callback that says the refund succeeded. */
async function takeRefundEvent(stage: Stage, refund: RefundRequest, count = 1): Promise<void> {
  const { webhook, refundWebhooks } = stage.description.provider;
  const isMeant = ({ body, path }: Delivery) =>
    [webhook, ...refundWebhooks].some((channel) => {
      const told = channel.translate(body);
      if (told.kind !== 'refund_event' || told.event.kind !== 'succeeded') return false;
      return told.workflowId === refund.workflowId || path.includes(`/${refund.refundId}/`);
    });
  await stage.receiver().take(isMeant, count);
}
