import { faultOfAmount, faultOfStep } from '../../domain/amount-rule.ts';
import type { Payment } from '../../domain/payment.ts';
import type { Capabilities, Provider } from '../../domain/provider.ts';
import { findProvider, PROVIDER_NAMES } from '../../providers/index.ts';
import { ApiError, type Fault, faulty } from '../errors.ts';
import { readPhone } from './phone.ts';
import type { CreatePaymentBody } from './schema.ts';

/**
 * @param fallback other providers that may take a later attempt: what they need may be sent along.
 * @throws ApiError provider_limits listing all that the provider cannot take.
 */
export function refuseBeyondLimits(
  provider: Provider,
  body: CreatePaymentBody,
  fallback: readonly string[],
): void {
  const faults = faultsOf(provider, body, fallback);
  if (faults.length > 0) throw faulty('provider_limits', faults);
}

/** @throws ApiError provider_limits for a part of the payment that the provider cannot take. */
export function refuseStep({ provider, currency }: Payment, amountMinor: number): void {
  const rule = findProvider(provider)?.capabilities.amounts[currency];
  const detail = rule && faultOfStep(provider, rule, { amountMinor, currency });
  if (detail) throw faulty('provider_limits', [{ pointer: '/amount', detail }]);
}

/** True when this provider could take what is asked of another. */
export function canTake(provider: Provider, body: CreatePaymentBody): boolean {
  try {
    readPhone(provider, body.customer.phone);
    return faultsOf(provider, body, PROVIDER_NAMES).length === 0;
  } catch (error) {
    if (error instanceof ApiError) return false;
    throw error;
  }
}

function faultsOf(
  { name, capabilities }: Provider,
  body: CreatePaymentBody,
  fallback: readonly string[],
): readonly Fault[] {
  const faults: Fault[] = [...amountFaults(name, capabilities, body)];
  if (body.capture_method === 'manual' && !capabilities.capture) {
    faults.push({ pointer: '/capture_method', detail: `${name} captures at once: use automatic` });
  }
  if (body.payment_method === undefined && capabilities.needs.includes('payment_method')) {
    faults.push({
      pointer: '/payment_method',
      detail: `is required for ${name}: a token, pm_… or tok_…`,
    });
  }
  const takesMethod = [name, ...fallback].some((it) =>
    findProvider(it)?.capabilities.needs.includes('payment_method'),
  );
  if (body.payment_method !== undefined && !takesMethod) {
    faults.push({ pointer: '/payment_method', detail: `${name} takes none: leave it out` });
  }
  const mayLeave = body.payment_method === undefined ? [name] : [name, ...fallback];
  const mover = mayLeave.find((it) => findProvider(it)?.capabilities.needs.includes('return_url'));
  if (body.return_url === undefined && mover !== undefined) {
    const detail = `is required for ${mover}: a card may need 3-D Secure, and the payer comes back to this address. Send null where no payer is present; a card that needs it then fails`;
    faults.push({ pointer: '/return_url', detail });
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
  const fault = faultOfAmount(name, rule, { amountMinor: amount, currency });
  return fault === null ? [] : [{ pointer: '/amount', detail: fault }];
}
