import { exponentOf, formatMoney } from '../../domain/money.ts';
import type { Capabilities, Provider } from '../../domain/provider.ts';
import { findProvider, PROVIDER_NAMES } from '../../providers/index.ts';
import { ApiError, type Fault } from '../errors.ts';
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
  if (faults.length > 0) throw beyondLimits(faults);
}

function beyondLimits(faults: readonly Fault[]): ApiError {
  const detail = faults.map((fault) => `${fault.pointer} ${fault.detail}`).join('; ');
  return new ApiError('provider_limits', detail, faults);
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
