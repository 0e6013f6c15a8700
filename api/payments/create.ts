import {
  type CountryCode,
  isSupportedCountry,
  parsePhoneNumberFromString,
} from 'libphonenumber-js';
import { sealCustomer } from '../../db/customers.ts';
import { newId } from '../../db/ids.ts';
import { findPaymentByKey, insertPayment } from '../../db/payments.ts';
import type { Vault } from '../../db/vault.ts';
import { paymentWorkflowId } from '../../domain/id.ts';
import { paymentInput } from '../../domain/inputs.ts';
import { exponentOf, formatMoney } from '../../domain/money.ts';
import type { Payment } from '../../domain/payment.ts';
import type { Capabilities, Provider } from '../../domain/provider.ts';
import { capabilitiesOf, findProvider } from '../../providers/index.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError, type Fault } from '../errors.ts';
import { fingerprintOf } from './fingerprint.ts';
import { type Resolved, resolveProvider } from './resolve.ts';
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
  const phone = readPhone(provider, body.customer.phone);
  refuseBeyondLimits(provider, body);
  const request = { ...body, customer: { ...body.customer, phone } };
  const fingerprint = fingerprintOf(vault, request);
  const id = newId('payment');
  const { credentialsRef, policy } = await resolveOnce(deps, merchantId, idempotencyKey, provider);
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
  const input = paymentInput(payment, capabilitiesOf(payment.provider));
  return engine.startPayment(input, policies.api.start_wait_ms);
}

function workflowIdOf(vault: Vault, merchantId: string, idempotencyKey: string): string {
  const hash = vault.hash('workflow-id', `${merchantId}\n${idempotencyKey}`);
  return paymentWorkflowId(hash.toString('hex').slice(0, 32));
}

/** The phone in E.164. @throws ApiError naming the accepted spellings. */
export function readPhone({ name, capabilities }: Provider, phone: string | undefined) {
  const isNeeded = capabilities.needs.includes('phone');
  if (phone === undefined) {
    if (!isNeeded) return null;
    throw beyondLimits([{ pointer: '/customer/phone', detail: `is required for ${name}` }]);
  }
  const parsed = parsePhoneNumberFromString(phone, homeCountry(capabilities));
  const countries = capabilities.phone_countries;
  const isServed =
    countries.length === 0 || (parsed?.country !== undefined && countries.includes(parsed.country));
  if (parsed?.isValid() && isServed && isMobileOf(countries, parsed.number)) return parsed.number;
  const detail = isNeeded
    ? `must be a Kenyan mobile number, such as 0712345678, 254712345678 or +254712345678`
    : 'must be a phone number with its country, such as +254712345678';
  throw beyondLimits([{ pointer: '/customer/phone', detail }]);
}

function homeCountry({ phone_countries }: Capabilities): CountryCode | undefined {
  const [country] = phone_countries;
  return country !== undefined && isSupportedCountry(country) ? country : undefined;
}

/** Safaricom takes 2547… and 2541…; a landline would never see the prompt. */
function isMobileOf(countries: readonly string[], e164: string): boolean {
  return !countries.includes('KE') || /^\+254[17]\d{8}$/.test(e164);
}

function refuseBeyondLimits(provider: Provider, body: CreatePaymentBody): void {
  const faults = faultsOf(provider, body);
  if (faults.length > 0) throw beyondLimits(faults);
}

function beyondLimits(faults: readonly Fault[]): ApiError {
  const detail = faults.map((fault) => `${fault.pointer} ${fault.detail}`).join('; ');
  return new ApiError('provider_limits', detail, faults);
}

function faultsOf({ name, capabilities }: Provider, body: CreatePaymentBody): readonly Fault[] {
  const faults: Fault[] = [...amountFaults(name, capabilities, body)];
  if (body.capture_method === 'manual' && !capabilities.capture) {
    faults.push({ pointer: '/capture_method', detail: `${name} captures at once: use automatic` });
  }
  if (body.payment_method === undefined && capabilities.needs.includes('payment_method')) {
    faults.push({ pointer: '/payment_method', detail: `is required for ${name}: a token, pm_…` });
  }
  if (body.payment_method !== undefined && !capabilities.needs.includes('payment_method')) {
    faults.push({ pointer: '/payment_method', detail: `${name} takes none: leave it out` });
  }
  const lengthMax = capabilities.reference_max_length;
  if (body.reference !== undefined && body.reference.length > lengthMax) {
    const detail = `takes at most ${lengthMax} characters with ${name}`;
    faults.push({ pointer: '/reference', detail });
  }
  return faults;
}

function amountFaults(
  name: string,
  { amounts }: Capabilities,
  { amount, currency }: CreatePaymentBody,
): readonly Fault[] {
  const rule = amounts[currency];
  if (rule === undefined) {
    const taken = Object.keys(amounts).join(', ');
    return [{ pointer: '/currency', detail: `${name} takes ${taken}` }];
  }
  const show = (amountMinor: number) =>
    `${formatMoney({ amountMinor, currency })} (${amountMinor})`;
  if (amount < rule.min_minor || amount > rule.max_minor) {
    const range = `${show(rule.min_minor)} to ${show(rule.max_minor)}`;
    return [{ pointer: '/amount', detail: `${name} takes ${range}, in minor units` }];
  }
  if (amount % rule.step_minor === 0) return [];
  const whole = rule.step_minor === 10 ** exponentOf(currency) ? ' whole' : '';
  const detail = `${name} takes${whole} ${currency}: ${amount} is ${show(amount)}; amounts are in minor units, so it must be a multiple of ${rule.step_minor}`;
  return [{ pointer: '/amount', detail }];
}
