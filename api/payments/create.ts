import { sealCustomer } from '../../db/customers.ts';
import { newId } from '../../db/ids.ts';
import { findPaymentByKey, insertPayment } from '../../db/payments.ts';
import type { Vault } from '../../db/vault.ts';
import { paymentWorkflowId } from '../../domain/id.ts';
import { paymentInput } from '../../domain/inputs.ts';
import type { Payment } from '../../domain/payment.ts';
import type { Provider } from '../../domain/provider.ts';
import { capabilitiesOf, findProvider } from '../../providers/index.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { fingerprintOf } from './fingerprint.ts';
import { readPhone, refuseBeyondLimits } from './limits.ts';
import { type Resolved, resolveFallbacks, resolveProvider } from './resolve.ts';
import type { CreatePaymentBody } from './schema.ts';

export type Creation = { readonly payment: Payment; readonly isReplay: boolean };

/**
 * Stores the payment under its idempotency key, or finds the one that the key already made.
 * @throws ApiError provider_limits for what the provider cannot take, idempotency_key_reused.
 */
export async function createPayment(
  deps: ApiDeps,
  merchantId: string,
  idempotencyKey: string,
  body: CreatePaymentBody,
): Promise<Creation> {
  const { vault } = deps;
  const provider = findProvider(body.provider);
  if (provider === null) throw new ApiError('not_found', 'no such provider');
  const { credentialsRef, policy } = await resolveOnce(deps, merchantId, idempotencyKey, provider);
  const phone = readPhone(provider, body.customer.phone);
  refuseBeyondLimits(provider, body, policy.reattempt.fallback);
  const request = { ...body, customer: { ...body.customer, phone } };
  const fingerprint = fingerprintOf(vault, request);
  const id = newId('payment');
  const { inserted, payment } = await insertPayment(deps.pool, {
    id,
    attemptId: newId('attempt'),
    merchantId,
    idempotencyKey,
    fingerprint,
    workflowId: workflowIdOf(vault, merchantId, idempotencyKey),
    provider: body.provider,
    credentialsRef,
    amountMinor: body.amount,
    currency: body.currency,
    customer: sealCustomer(vault, id, {
      id: body.customer.id ?? null,
      phone,
      email: body.customer.email ?? null,
      name: body.customer.name ?? null,
    }),
    paymentMethod: body.payment_method ?? null,
    captureMethod: body.capture_method,
    reference: body.reference ?? id.slice(-12).toUpperCase(),
    description: body.description ?? null,
    returnUrl: body.return_url ?? null,
    metadata: body.metadata,
    policy,
    fallbacks: await resolveFallbacks(deps, merchantId, policy, body),
    cause: 'POST /api/v1/payments',
  });
  if (!inserted && payment.fingerprint !== fingerprint) {
    throw new ApiError(
      'idempotency_key_reused',
      `this Idempotency-Key made ${payment.id} with another body; use a new key for a new payment`,
    );
  }
  return { payment, isReplay: !inserted };
}

/** A payment that is there already keeps what it began with, even when that is switched off now. */
async function resolveOnce(
  deps: ApiDeps,
  merchantId: string,
  idempotencyKey: string,
  provider: Provider,
): Promise<Resolved> {
  try {
    return await resolveProvider(deps, merchantId, provider);
  } catch (error) {
    const earlier = await findPaymentByKey(deps.pool, merchantId, idempotencyKey);
    if (earlier === null) throw error;
    return earlier;
  }
}

/** True while the payment has no state worth an answer, so that a caller should wait with it. */
export function isUndecided({ status, waitingFor }: Payment): boolean {
  return status === 'created' || (status === 'processing' && waitingFor === 'provider_answer');
}

/** Starts or joins the payment's workflow; true when it has its first meaningful state. */
export function startPayment({ engine, policies }: ApiDeps, payment: Payment): Promise<boolean> {
  const input = paymentInput(payment, capabilitiesOf);
  return engine.startPayment(input, policies.api.start_wait_ms);
}

function workflowIdOf(vault: Vault, merchantId: string, idempotencyKey: string): string {
  const hash = vault.hash('workflow-id', `${merchantId}\n${idempotencyKey}`);
  return paymentWorkflowId(hash.toString('hex').slice(0, 32));
}
