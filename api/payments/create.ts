import { sealCustomer } from '../../db/customers.ts';
import { newId } from '../../db/ids.ts';
import {
  findPaymentByKey,
  type Insertion,
  insertPayment,
  type NewPayment,
} from '../../db/payments.ts';
import { insertWithinPhoneLimit } from '../../db/phone-limits.ts';
import type { Vault } from '../../db/vault.ts';
import { paymentWorkflowId } from '../../domain/id.ts';
import { paymentInput, reopenedInput } from '../../domain/inputs.ts';
import type { Payment } from '../../domain/payment.ts';
import { type Provider, ringsPhones } from '../../domain/provider.ts';
import { capabilitiesOf, PROVIDER_NAMES } from '../../providers/index.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { requireProvider } from '../require-provider.ts';
import { fingerprintOf } from './fingerprint.ts';
import { refuseBeyondLimits } from './limits.ts';
import { parsePhone, readPhone } from './phone.ts';
import { type Resolved, resolveFallbacks, resolveProvider } from './resolve.ts';
import type { CreatePaymentBody } from './schema.ts';

export type Creation = { readonly payment: Payment; readonly isReplay: boolean };

/**
 * Stores the payment under its idempotency key, or finds the one that the key already made. What is
 * refused here is refused to new payments only: one that is there already keeps what it began with,
 * also when limits, policies or configurations have changed since.
 * @throws ApiError provider_limits for what the provider cannot take, idempotency_key_reused.
 */
export async function createPayment(
  deps: ApiDeps,
  merchantId: string,
  key: string,
  body: CreatePaymentBody,
): Promise<Creation> {
  const provider = requireProvider(body.provider);
  const phone = phoneOf(provider, body);
  const shape = { ...body, customer: { ...body.customer, phone } };
  const asked = { merchantId, key, fingerprint: fingerprintOf(deps.vault, shape), phone };
  const queue = { merchantId, provider: provider.name };
  try {
    return await deps.turns.within(queue, () => store(deps, provider, asked, body));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const earlier = await findPaymentByKey(deps.pool, merchantId, key);
    if (earlier === null) throw error;
    return { payment: requireSame(earlier, asked.fingerprint), isReplay: true };
  }
}

type Asked = {
  readonly merchantId: string;
  readonly key: string;
  readonly fingerprint: string;
  /** As {@link phoneOf} spells it. */
  readonly phone: string | null;
};

async function store(
  deps: ApiDeps,
  provider: Provider,
  { merchantId, key, fingerprint, phone }: Asked,
  body: CreatePaymentBody,
): Promise<Creation> {
  const { vault } = deps;
  const terms = await agree(deps, merchantId, provider, body);
  const id = newId('payment');
  const workflowId = workflowIdOf(vault, merchantId, key);
  const stored = await insert(deps, terms.fallbacks, provider, {
    id,
    attemptId: newId('attempt'),
    merchantId,
    idempotencyKey: key,
    fingerprint,
    workflowId,
    provider: body.provider,
    ...terms,
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
    // The same for the same key, as all that a provider is sent under it.
    reference: body.reference ?? workflowId.slice(-12).toUpperCase(),
    description: body.description ?? null,
    returnUrl: body.return_url ?? null,
    metadata: body.metadata,
    cause: 'POST /api/v1/payments',
  });
  return { payment: requireSame(stored.payment, fingerprint), isReplay: !stored.inserted };
}

const RINGING: readonly string[] = PROVIDER_NAMES.filter((name) =>
  ringsPhones(capabilitiesOf(name)),
);

/** @throws ApiError rate_limited where it would ring a phone that others ring too often. */
async function insert(
  { pool, policies }: ApiDeps,
  fallbacks: Payment['fallbacks'],
  { name }: Provider,
  next: NewPayment,
): Promise<Insertion> {
  const rings = [name, ...fallbacks.map((it) => it.provider)].some((it) => RINGING.includes(it));
  if (!rings) return await insertPayment(pool, next);
  const { phone_limit } = policies.api;
  const stored = await insertWithinPhoneLimit(pool, next, phone_limit, RINGING);
  if (!('kind' in stored)) return stored;
  const { open, requests, per_ms } = phone_limit;
  const detail = `this phone is asked by others too: at most ${open} open payments and ${requests} in ${per_ms / 1000} s, over all merchants; nothing was stored or sent; come again after Retry-After`;
  const fault = { pointer: '/customer/phone', detail: 'has too many payments already' };
  throw new ApiError('rate_limited', detail, [fault], Math.ceil(stored.retryAfterMs / 1000));
}

/** In E.164 where it is a phone of this provider's, so that every spelling is one request. */
function phoneOf({ capabilities }: Provider, { customer }: CreatePaymentBody): string | null {
  const { phone } = customer;
  return phone === undefined ? null : (parsePhone(capabilities, phone) ?? phone);
}

/** By what a new payment goes. */
type Terms = Resolved & Pick<Payment, 'fallbacks'>;

async function agree(
  deps: ApiDeps,
  merchantId: string,
  provider: Provider,
  body: CreatePaymentBody,
): Promise<Terms> {
  const resolved = await resolveProvider(deps, merchantId, provider);
  readPhone(provider, body.customer.phone);
  refuseBeyondLimits(provider, body, resolved.policy.reattempt.fallback);
  const fallbacks = await resolveFallbacks(deps, merchantId, resolved.policy, body);
  return { ...resolved, fallbacks };
}

function requireSame(payment: Payment, fingerprint: string): Payment {
  if (payment.fingerprint === fingerprint) return payment;
  const detail = `this Idempotency-Key made ${payment.id} with another body; use a new key for a new payment`;
  throw new ApiError('idempotency_key_reused', detail);
}

/** True while the payment has no state worth an answer, so that a caller should wait with it. */
export function isUndecided({ status, waitingFor }: Payment): boolean {
  return status === 'created' || (status === 'processing' && waitingFor === 'provider_answer');
}

/** Starts or joins the payment's workflow; true when it has its first meaningful state in time. */
export function startPayment(
  { engine }: ApiDeps,
  payment: Payment,
  waitMs: number,
): Promise<boolean> {
  const input =
    payment.status === 'created'
      ? paymentInput(payment, capabilitiesOf)
      : reopenedInput(payment, capabilitiesOf, { nowMs: Date.now() });
  return engine.startPayment(input, waitMs);
}

function workflowIdOf(vault: Vault, merchantId: string, idempotencyKey: string): string {
  const hash = vault.hash('workflow-id', `${merchantId}\n${idempotencyKey}`);
  return paymentWorkflowId(hash.toString('hex').slice(0, 32));
}
