import type Stripe from 'stripe';
import { ProviderError } from '../../domain/error.ts';
import type { ChargeContext } from '../../domain/provider.ts';
import type { ProviderRefund, ProviderRefundsRequest } from '../../domain/provider-refund.ts';
import type { RefundLookupRequest, RefundRequest, RefundResult } from '../../domain/refund.ts';
import {
  isRefundRefusal,
  ownerOf,
  readProviderRefund,
  readRefund,
  readRefundFailure,
} from './map.ts';
import { callStripe } from './sdk.ts';
import { refund as refundShape } from './wire.ts';

/** Gives money back, in part or whole. */
export async function refund(
  sdk: Stripe,
  request: RefundRequest,
  { dispatch, signal }: ChargeContext,
): Promise<RefundResult> {
  const { providerPaymentId, amount, idempotencyKey, timeoutMs: timeout } = request;
  if (providerPaymentId === null) {
    throw new ProviderError('misconfigured', 'Stripe refunds by its id of the PaymentIntent');
  }
  const params: Stripe.RefundCreateParams = {
    payment_intent: providerPaymentId,
    amount: amount.amountMinor,
    reason: 'requested_by_customer',
    metadata: { malipo_workflow: request.workflowId },
  };
  await dispatch();
  return await callStripe<RefundResult>(
    signal,
    async () =>
      readRefund(refundShape.parse(await sdk.refunds.create(params, { idempotencyKey, timeout }))),
    ({ code, statusCode, param }) => {
      // Of an amount beyond what is left Stripe may tell its parameter alone.
      const told = code ?? (param === 'amount' ? 'amount_too_large' : '');
      const isRefused = statusCode === 400 && isRefundRefusal(told);
      return isRefused ? readRefundFailure(told, null, null) : null;
    },
  );
}

/** By Stripe's id, else by the refund's workflow in the metadata of the payment's refunds. */
export async function lookupRefund(
  sdk: Stripe,
  { workflowId, providerRefundId, providerPaymentId, timeoutMs: timeout }: RefundLookupRequest,
  signal: AbortSignal,
): Promise<RefundResult> {
  return await callStripe<RefundResult>(signal, async () => {
    if (providerRefundId !== null) {
      const found = await sdk.refunds.retrieve(providerRefundId, {}, { timeout });
      return readRefund(refundShape.parse(found));
    }
    const all = sdk.refunds.list(
      { limit: 100, ...(providerPaymentId === null ? {} : { payment_intent: providerPaymentId }) },
      { timeout },
    );
    for await (const one of all) {
      if (one.metadata?.malipo_workflow === workflowId) return readRefund(refundShape.parse(one));
    }
    const message = 'Stripe has no refund with our id; a request may still be on its way';
    return { kind: 'unknown', providerRefundId: null, providerCode: 'not_found', message };
  });
}

/** All of a PaymentIntent whose metadata name no workflow of ours. */
export async function listProviderRefunds(
  sdk: Stripe,
  { providerPaymentId, timeoutMs: timeout }: ProviderRefundsRequest,
  signal: AbortSignal,
): Promise<readonly ProviderRefund[]> {
  return await callStripe<readonly ProviderRefund[]>(signal, async () => {
    const found: ProviderRefund[] = [];
    const all = sdk.refunds.list({ payment_intent: providerPaymentId, limit: 100 }, { timeout });
    for await (const one of all) {
      const isOurs = ownerOf(one, 'refund') !== null;
      const refund = isOurs ? null : readProviderRefund(refundShape.parse(one));
      if (refund !== null) found.push(refund);
    }
    return found;
  });
}
