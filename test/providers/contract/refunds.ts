import type { ChargeContext, ProviderClient } from '../../../domain/provider.ts';
import type { RefundNews, RefundRequest, RefundResult } from '../../../domain/refund.ts';
import { LOST_ANSWERS, type Need } from './description.ts';
import {
  CALL_TIMEOUT_MS,
  chargeToEnd,
  type Delivery,
  errorOf,
  eventAbout,
  type Harness,
  makeContext,
  nextSerial,
  ownId,
  type Settled,
  takeOutcomes,
} from './harness.ts';
import { needing, needsOf } from './needs.ts';

/** Parts of a payment, by what divides it. */
export const PARTS = [
  ['all', 1],
  ['half', 2],
] as const;

/** A refund of this much of a payment; by its receipt, where the provider refunds by that. */
export async function makeRefund(
  harness: Harness,
  { request, providerPaymentId }: Settled,
  amountMinor: number,
): Promise<RefundRequest> {
  const { provider } = harness.description;
  const id = ownId(nextSerial());
  const workflowId = `refund-${id.padStart(32, '0')}`;
  const isByReceipt = provider.capabilities.refund_needs === 'provider_receipt';
  const channels = provider.refundWebhooks.map(({ channel }) => channel);
  const callbackUrl = `${harness.receiver().url}/${workflowId}`;
  return {
    workflowId,
    idempotencyKey: `${workflowId}/refund`,
    amount: { ...request.amount, amountMinor },
    providerPaymentId,
    providerReceipt: isByReceipt ? await takeReceipt(harness, providerPaymentId) : null,
    reason: 'returned',
    callbackUrls: Object.fromEntries(channels.map((it) => [it, `${callbackUrl}/${it}`])),
    timeoutMs: CALL_TIMEOUT_MS,
  };
}

async function takeReceipt(harness: Harness, providerPaymentId: string): Promise<string | null> {
  const [delivery] = await takeOutcomes(harness, providerPaymentId);
  const told = delivery && eventAbout(harness, providerPaymentId, delivery);
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
  harness: Harness,
  refund: RefundRequest,
  kind: RefundNews['kind'] = 'succeeded',
  count = 1,
): Promise<void> {
  const { webhook, refundWebhooks } = harness.description.provider;
  const isMeant = ({ body, path }: Delivery) =>
    [webhook, ...refundWebhooks].some((channel) => {
      const told = channel.translate(body);
      if (told.kind !== 'refund_event' || told.event.kind !== kind) return false;
      return told.workflowId === refund.workflowId || path.includes(`/${refund.workflowId}/`);
    });
  await harness.receiver().take(isMeant, count);
}

/** Asks what became of a refund. @throws Error where the provider cannot be asked. */
async function lookUpRefund(
  harness: Harness,
  { workflowId, providerPaymentId, callbackUrls }: RefundRequest,
  { providerRefundId }: RefundResult,
  timeoutMs = CALL_TIMEOUT_MS,
): Promise<RefundResult> {
  const client = harness.client();
  if (client.lookupRefund === undefined) throw new Error('it has no look-up of refunds');
  const ids = { workflowId, providerPaymentId, providerRefundId };
  const question = { ...ids, callbackUrls, timeoutMs };
  return await client.lookupRefund(question, new AbortController().signal);
}

export function addRefundCases(harness: Harness): void {
  const { pays, provider } = harness.description;
  const { refund: mode, looks_up_refunds, refund_needs } = provider.capabilities;
  const isTold = mode === 'async' || refund_needs === 'provider_receipt';
  const needs: readonly Need[] = [...needsOf(harness, pays), 'ledger'];
  const all: readonly Need[] = isTold ? [...needs, 'callbacks'] : needs;

  needing(harness, all, (it) => {
    it.each(PARTS)('gives back %s of what was taken', async (_part, divisor) => {
      await giveBack(harness, divisor);
    });

    it('gives nothing back when the dispatch is refused', async () => {
      const paid = await chargeToEnd(harness, pays);
      const request = await makeRefund(harness, paid, paid.request.amount.amountMinor);
      const refusal = new Error('written before');
      const dispatch = () => Promise.reject(refusal);
      const made = refundOf(harness.client(), request, makeContext({ dispatch }));
      await expect(made).rejects.toBe(refusal);
      expect(await readRefunded(harness, paid)).toEqual([0]);
    });

    it('gives back no more than was taken, and says that it was given back', async () => {
      const paid = await chargeToEnd(harness, pays);
      const whole = await makeRefund(harness, paid, paid.request.amount.amountMinor);
      const first = await refundOf(harness.client(), whole);
      if (first.kind === 'pending') await takeRefundEvent(harness, whole);
      const more = await makeRefund(harness, paid, paid.request.amount.amountMinor / 2);
      const second = await refundOf(harness.client(), more);
      // Whether an earlier reversal of M-Pesa was ours, only a person can see.
      if (mode === 'async') await takeRefundEvent(harness, more, 'unknown');
      else expect(second).toMatchObject({ kind: 'failed', failure: { code: 'already_reversed' } });
      expect(await readRefunded(harness, paid)).toEqual([paid.request.amount.amountMinor]);
    });
  });

  const { refundPastUs } = harness.description;
  if (refundPastUs !== undefined) {
    needing(harness, all, (it) => addPastUsCase(harness, it, refundPastUs));
  }
  if (looks_up_refunds === 'none') return;
  needing(harness, [...all, 'faults'], (it) => addLostLookupCases(harness, it));
}

function addPastUsCase(
  harness: Harness,
  it: jest.It,
  refundPastUs: NonNullable<Harness['description']['refundPastUs']>,
): void {
  it('lists what was given back past us, whatever its metadata, and nothing of ours', async () => {
    const paid = await chargeToEnd(harness, harness.description.pays);
    const { providerPaymentId, request } = paid;
    const amountMinor = request.amount.amountMinor / 2;
    await refundOf(harness.client(), await makeRefund(harness, paid, amountMinor));
    const { credentials } = harness.counterpart();
    await refundPastUs({ credentials, providerPaymentId, amountMinor });
    const result = { kind: 'succeeded', amountMinor };
    expect(await listMadePastUs(harness, paid)).toMatchObject([
      { providerPaymentId, amountMinor, currency: request.amount.currency, result },
    ]);
  });
}

async function readRefunded(harness: Harness, { request }: Settled): Promise<readonly number[]> {
  const payments = await harness.counterpart().listPayments(request);
  return payments.map(({ refundedMinor }) => refundedMinor);
}

/** One of ours among them would be counted twice. Nothing where the provider has no such list. */
async function listMadePastUs(harness: Harness, { providerPaymentId }: Settled) {
  const question = { providerPaymentId, timeoutMs: CALL_TIMEOUT_MS };
  const { signal } = new AbortController();
  return (await harness.client().listProviderRefunds?.(question, signal)) ?? [];
}

async function giveBack(harness: Harness, divisor: number): Promise<void> {
  const { pays, provider } = harness.description;
  const { refund: mode, dedupe_window_ms, looks_up_refunds } = provider.capabilities;
  const paid = await chargeToEnd(harness, pays);
  const amountMinor = paid.request.amount.amountMinor / divisor;
  const request = await makeRefund(harness, paid, amountMinor);
  const answer = await refundOf(harness.client(), request);
  expect(answer.kind).toBe(mode === 'sync' ? 'succeeded' : 'pending');
  if (answer.kind === 'pending') await takeRefundEvent(harness, request);
  expect(await readRefunded(harness, paid)).toEqual([amountMinor]);
  if (looks_up_refunds !== 'none') {
    const { providerRefundId } = answer;
    const kind = looks_up_refunds === 'sync' ? 'succeeded' : 'pending';
    const found = await lookUpRefund(harness, request, answer);
    expect(found).toMatchObject({ kind, providerRefundId });
    if (looks_up_refunds === 'async') await takeRefundEvent(harness, request, 'succeeded', 2);
  }
  expect(await listMadePastUs(harness, paid)).toEqual([]);
  if (dedupe_window_ms === null) return;
  expect(await refundOf(harness.client(), request)).toMatchObject({ kind: answer.kind });
  expect(await readRefunded(harness, paid)).toEqual([amountMinor]);
}

function addLostLookupCases(harness: Harness, it: jest.It): void {
  const { pays, provider } = harness.description;
  const kind = provider.capabilities.looks_up_refunds === 'sync' ? 'succeeded' : 'pending';
  const refundHalf = async () => {
    const paid = await chargeToEnd(harness, pays);
    const request = await makeRefund(harness, paid, paid.request.amount.amountMinor / 2);
    const answer = await refundOf(harness.client(), request);
    return (timeoutMs?: number) => lookUpRefund(harness, request, answer, timeoutMs);
  };

  it.each(LOST_ANSWERS)(
    'concludes nothing from a look-up whose answer is lost: %s',
    async (how) => {
      const find = await refundHalf();
      await harness.counterpart().setFault({ on: 'lookupRefund', how, isActedOn: true });
      await errorOf(find(how === 'timeout' ? 500 : CALL_TIMEOUT_MS));
      expect(await find()).toMatchObject({ kind });
    },
  );

  it('takes over how long a look-up is asked to slow down', async () => {
    const find = await refundHalf();
    await harness.counterpart().setFault({ on: 'lookupRefund', how: '429', retryAfterS: 9 });
    expect((await errorOf(find(), 'rate_limited')).retryAfterMs).toBe(9_000);
    expect(await find()).toMatchObject({ kind });
  });
}
