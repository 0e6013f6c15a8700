import type { ChargeContext, ProviderClient } from '../../../domain/provider.ts';
import type { RefundNews, RefundRequest, RefundResult } from '../../../domain/refund.ts';
import { LOST_ANSWERS, type Need } from './description.ts';
import { needing, needsOf } from './needs.ts';
import {
  CALL_TIMEOUT_MS,
  chargeToEnd,
  type Delivery,
  errorOf,
  eventAbout,
  makeContext,
  nextSerial,
  ownId,
  type Settled,
  type Stage,
  takeOutcomes,
} from './stage.ts';

/** Parts of a payment, by what divides it. */
export const PARTS = [
  ['all', 1],
  ['half', 2],
] as const;

/** A refund of this much of a payment; by its receipt, where the provider refunds by that. */
export async function makeRefund(
  stage: Stage,
  { request, providerPaymentId }: Settled,
  amountMinor: number,
): Promise<RefundRequest> {
  const { provider } = stage.description;
  const id = ownId(nextSerial());
  const workflowId = `refund-${id.padStart(32, '0')}`;
  const isByReceipt = provider.capabilities.refund_needs === 'provider_receipt';
  const channels = provider.refundWebhooks.map(({ channel }) => channel);
  const callbackUrl = `${stage.receiver().url}/${workflowId}`;
  return {
    workflowId,
    idempotencyKey: `${workflowId}/refund`,
    amount: { ...request.amount, amountMinor },
    providerPaymentId,
    providerReceipt: isByReceipt ? await takeReceipt(stage, providerPaymentId) : null,
    reason: 'returned',
    callbackUrls: Object.fromEntries(channels.map((it) => [it, `${callbackUrl}/${it}`])),
    timeoutMs: CALL_TIMEOUT_MS,
  };
}

async function takeReceipt(stage: Stage, providerPaymentId: string): Promise<string | null> {
  const [delivery] = await takeOutcomes(stage, providerPaymentId);
  const told = delivery && eventAbout(stage, providerPaymentId, delivery);
  return told && 'receipt' in told.event ? told.event.receipt : null;
}

export async function refundOf(
  client: ProviderClient,
  request: RefundRequest,
  context: ChargeContext = makeContext(),
): Promise<RefundResult> {
  if (client.refund === undefined) throw new Error('it has no refund');
  return await client.refund(request, context);
}

/** Waits for a callback about the refund that says this, and returns it. */
export async function takeRefundEvent(
  stage: Stage,
  refund: RefundRequest,
  kind: RefundNews['kind'] = 'succeeded',
  count = 1,
): Promise<void> {
  const { webhook, refundWebhooks } = stage.description.provider;
  const isMeant = ({ body, path }: Delivery) =>
    [webhook, ...refundWebhooks].some((channel) => {
      const told = channel.translate(body);
      if (told.kind !== 'refund_event' || told.event.kind !== kind) return false;
      return told.workflowId === refund.workflowId || path.includes(`/${refund.workflowId}/`);
    });
  await stage.receiver().take(isMeant, count);
}

/** Asks what became of a refund. @throws Error where the provider cannot be asked. */
async function lookUpRefund(
  stage: Stage,
  { workflowId, providerPaymentId, callbackUrls }: RefundRequest,
  { providerRefundId }: RefundResult,
  timeoutMs = CALL_TIMEOUT_MS,
): Promise<RefundResult> {
  const client = stage.client();
  if (client.lookupRefund === undefined) throw new Error('it has no look-up of refunds');
  const ids = { workflowId, providerPaymentId, providerRefundId };
  const question = { ...ids, callbackUrls, timeoutMs };
  return await client.lookupRefund(question, new AbortController().signal);
}

export function addRefundCases(stage: Stage): void {
  const { pays, provider } = stage.description;
  const { refund: manner, looks_up_refunds, refund_needs } = provider.capabilities;
  const isTold = manner === 'async' || refund_needs === 'provider_receipt';
  const needs: readonly Need[] = [...needsOf(stage, pays), 'book'];
  const all: readonly Need[] = isTold ? [...needs, 'callbacks'] : needs;

  needing(stage, all, (it) => {
    it.each(PARTS)('gives back %s of what was taken', async (_part, divisor) => {
      await giveBack(stage, divisor);
    });

    it('gives nothing back when the dispatch is refused', async () => {
      const paid = await chargeToEnd(stage, pays);
      const request = await makeRefund(stage, paid, paid.request.amount.amountMinor);
      const refusal = new Error('written before');
      const dispatch = () => Promise.reject(refusal);
      const made = refundOf(stage.client(), request, makeContext({ dispatch }));
      await expect(made).rejects.toBe(refusal);
      expect(await readRefunded(stage, paid)).toEqual([0]);
    });

    it('gives back no more than was taken, and says that it was given back', async () => {
      const paid = await chargeToEnd(stage, pays);
      const whole = await makeRefund(stage, paid, paid.request.amount.amountMinor);
      const first = await refundOf(stage.client(), whole);
      if (first.kind === 'pending') await takeRefundEvent(stage, whole);
      const more = await makeRefund(stage, paid, paid.request.amount.amountMinor / 2);
      const second = await refundOf(stage.client(), more);
      // Whether an earlier reversal of M-Pesa was ours, only a person can see.
      if (manner === 'async') await takeRefundEvent(stage, more, 'unknown');
      else expect(second).toMatchObject({ kind: 'failed', failure: { code: 'already_reversed' } });
      expect(await readRefunded(stage, paid)).toEqual([paid.request.amount.amountMinor]);
    });
  });

  const { refundPastUs } = stage.description;
  if (refundPastUs !== undefined) {
    needing(stage, all, (it) => addPastUsCase(stage, it, refundPastUs));
  }
  if (looks_up_refunds === 'none') return;
  needing(stage, [...all, 'faults'], (it) => addLostLookupCases(stage, it));
}

function addPastUsCase(
  stage: Stage,
  it: jest.It,
  refundPastUs: NonNullable<Stage['description']['refundPastUs']>,
): void {
  it('lists what was given back past us, whatever its metadata, and nothing of ours', async () => {
    const paid = await chargeToEnd(stage, stage.description.pays);
    const { providerPaymentId, request } = paid;
    const amountMinor = request.amount.amountMinor / 2;
    await refundOf(stage.client(), await makeRefund(stage, paid, amountMinor));
    const { credentials } = stage.counterpart();
    await refundPastUs({ credentials, providerPaymentId, amountMinor });
    const result = { kind: 'succeeded', amountMinor };
    expect(await listMadePastUs(stage, paid)).toMatchObject([
      { providerPaymentId, amountMinor, currency: request.amount.currency, result },
    ]);
  });
}

async function readRefunded(stage: Stage, { request }: Settled): Promise<readonly number[]> {
  const payments = await stage.counterpart().listPayments(request);
  return payments.map(({ refundedMinor }) => refundedMinor);
}

/** One of ours among them would be counted twice. Nothing where the provider has no such list. */
async function listMadePastUs(stage: Stage, { providerPaymentId }: Settled) {
  const question = { providerPaymentId, timeoutMs: CALL_TIMEOUT_MS };
  const { signal } = new AbortController();
  return (await stage.client().listProviderRefunds?.(question, signal)) ?? [];
}

async function giveBack(stage: Stage, divisor: number): Promise<void> {
  const { pays, provider } = stage.description;
  const { refund: manner, dedupe_window_ms, looks_up_refunds } = provider.capabilities;
  const paid = await chargeToEnd(stage, pays);
  const amountMinor = paid.request.amount.amountMinor / divisor;
  const request = await makeRefund(stage, paid, amountMinor);
  const answer = await refundOf(stage.client(), request);
  expect(answer.kind).toBe(manner === 'sync' ? 'succeeded' : 'pending');
  if (answer.kind === 'pending') await takeRefundEvent(stage, request);
  expect(await readRefunded(stage, paid)).toEqual([amountMinor]);
  if (looks_up_refunds !== 'none') {
    const { providerRefundId } = answer;
    const kind = looks_up_refunds === 'sync' ? 'succeeded' : 'pending';
    const found = await lookUpRefund(stage, request, answer);
    expect(found).toMatchObject({ kind, providerRefundId });
    if (looks_up_refunds === 'async') await takeRefundEvent(stage, request, 'succeeded', 2);
  }
  expect(await listMadePastUs(stage, paid)).toEqual([]);
  if (dedupe_window_ms === null) return;
  expect(await refundOf(stage.client(), request)).toMatchObject({ kind: answer.kind });
  expect(await readRefunded(stage, paid)).toEqual([amountMinor]);
}

function addLostLookupCases(stage: Stage, it: jest.It): void {
  const { pays, provider } = stage.description;
  const kind = provider.capabilities.looks_up_refunds === 'sync' ? 'succeeded' : 'pending';
  const refundHalf = async () => {
    const paid = await chargeToEnd(stage, pays);
    const request = await makeRefund(stage, paid, paid.request.amount.amountMinor / 2);
    const answer = await refundOf(stage.client(), request);
    return (timeoutMs?: number) => lookUpRefund(stage, request, answer, timeoutMs);
  };

  it.each(LOST_ANSWERS)(
    'concludes nothing from a look-up whose answer is lost: %s',
    async (how) => {
      const find = await refundHalf();
      await stage.counterpart().spoil({ on: 'lookupRefund', how, isActedOn: true });
      await errorOf(find(how === 'timeout' ? 500 : CALL_TIMEOUT_MS));
      expect(await find()).toMatchObject({ kind });
    },
  );

  it('takes over how long a look-up is asked to slow down', async () => {
    const find = await refundHalf();
    await stage.counterpart().spoil({ on: 'lookupRefund', how: '429', retryAfterS: 9 });
    expect((await errorOf(find(), 'rate_limited')).retryAfterMs).toBe(9_000);
    expect(await find()).toMatchObject({ kind });
  });
}
