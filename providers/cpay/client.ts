import { ProviderError } from '../../domain/error.ts';
import type { ChargeResult } from '../../domain/outcome.ts';
import type { ChargeContext, ChargeRequest, ProviderClient } from '../../domain/provider.ts';
import type { ProviderRefund, ProviderRefundsRequest } from '../../domain/provider-refund.ts';
import type { RefundRequest, RefundResult } from '../../domain/refund.ts';
import type { CPayCredentials } from './credentials.ts';
import { type Http, openHttp } from './http.ts';
import {
  notFound,
  ownerOf,
  readCharge,
  readProviderRefund,
  readRefund,
  readRefundRefusal,
} from './map.ts';
import { charge as chargeShape, listOf, refund as refundShape } from './wire.ts';

/** Charges, captures, cancels and refunds at CPay. */
export function createCPayClient(credentials: CPayCredentials): ProviderClient {
  const http = openHttp(credentials);
  return {
    charge: (request, context) => charge(http, request, context),

    async lookup({ providerPaymentId, attemptRef, timeoutMs }, signal) {
      const get = { method: 'GET', timeoutMs, signal } as const;
      if (providerPaymentId !== null) {
        const path = `/v1/charges/${encodeURIComponent(providerPaymentId)}`;
        return readCharge(await http.send({ ...get, path }, chargeShape));
      }
      const path = `/v1/charges?attempt=${encodeURIComponent(attemptRef)}`;
      const [found] = (await http.send({ ...get, path }, listOf(chargeShape))).data;
      if (found === undefined) return { ...notFound('charge'), providerPaymentId: null };
      return readCharge(found);
    },

    async capture({ providerPaymentId, amount, idempotencyKey, timeoutMs }, signal) {
      const path = `/v1/charges/${encodeURIComponent(providerPaymentId)}/capture`;
      const body = { amount: amount.amountMinor };
      const call = { method: 'POST', path, body, idempotencyKey, timeoutMs, signal } as const;
      return readCharge(await http.send(call, chargeShape));
    },

    async cancel({ providerPaymentId, idempotencyKey, timeoutMs }, signal) {
      const path = `/v1/charges/${encodeURIComponent(providerPaymentId)}/cancel`;
      const call = { method: 'POST', path, body: {}, idempotencyKey, timeoutMs, signal } as const;
      return readCharge(await http.send(call, chargeShape));
    },

    refund: (request, context) => refund(http, request, context),

    async lookupRefund({ workflowId, providerRefundId, timeoutMs }, signal) {
      const get = { method: 'GET', timeoutMs, signal } as const;
      if (providerRefundId !== null) {
        const path = `/v1/refunds/${encodeURIComponent(providerRefundId)}`;
        return readRefund(await http.send({ ...get, path }, refundShape));
      }
      const path = `/v1/refunds?refund=${encodeURIComponent(workflowId)}`;
      const [found] = (await http.send({ ...get, path }, listOf(refundShape))).data;
      if (found === undefined) return { ...notFound('refund'), providerRefundId: null };
      return readRefund(found);
    },

    listProviderRefunds: (request, signal) => listProviderRefunds(http, request, signal),

    close: () => http.close(),
  };
}

async function charge(
  http: Http,
  request: ChargeRequest,
  { dispatch, signal }: ChargeContext,
): Promise<ChargeResult> {
  const { amount, reference, description, callbackUrl, timeoutMs, idempotencyKey } = request;
  await dispatch();
  const body = {
    amount: amount.amountMinor,
    currency: amount.currency,
    capture: request.captureMethod === 'automatic',
    reference,
    description,
    callback_url: callbackUrl,
    // The same in each send of it, also after a restore: what comes under a key is compared.
    metadata: { attempt: request.attemptRef, workflow: request.workflowId },
  };
  const call = { method: 'POST', path: '/v1/charges', body, idempotencyKey } as const;
  return readCharge(await http.send({ ...call, timeoutMs, signal }, chargeShape));
}

async function refund(
  http: Http,
  request: RefundRequest,
  { dispatch, signal }: ChargeContext,
): Promise<RefundResult> {
  const { providerPaymentId, amount, idempotencyKey, timeoutMs } = request;
  if (providerPaymentId === null) {
    throw new ProviderError('misconfigured', 'CPay refunds by its id of the charge');
  }
  await dispatch();
  const body = {
    charge: providerPaymentId,
    amount: amount.amountMinor,
    metadata: { refund: request.workflowId, workflow: request.workflowId },
  };
  const call = { method: 'POST', path: '/v1/refunds', body, idempotencyKey } as const;
  return await http
    .send({ ...call, timeoutMs, signal }, refundShape)
    .then(readRefund, readRefundRefusal);
}

async function listProviderRefunds(
  http: Http,
  { providerPaymentId, timeoutMs }: ProviderRefundsRequest,
  signal: AbortSignal,
): Promise<readonly ProviderRefund[]> {
  const path = `/v1/refunds?charge=${encodeURIComponent(providerPaymentId)}`;
  const call = { method: 'GET', path, timeoutMs, signal } as const;
  const { data } = await http.send(call, listOf(refundShape));
  return data
    .filter((refund) => ownerOf(refund, 'refund') === null)
    .map(readProviderRefund)
    .filter((refund) => refund !== null);
}
