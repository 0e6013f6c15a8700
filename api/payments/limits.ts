import {
  type CountryCode,
  isSupportedCountry,
  parsePhoneNumberFromString,
} from 'libphonenumber-js';
import { exponentOf, formatMoney } from '../../domain/money.ts';
import type { Capabilities, Provider } from '../../domain/provider.ts';
import { findProvider, PROVIDER_NAMES } from '../../providers/index.ts';
import { ApiError, type Fault } from '../errors.ts';
import type { CreatePaymentBody } from './schema.ts';

/** The phone in E.164, null where none is needed. @throws ApiError naming the spellings. */
export function readPhone({ name, capabilities }: Provider, phone: string | undefined) {
  const isNeeded = capabilities.needs.includes('phone');
  if (phone === undefined) {
    if (!isNeeded) return null;
    throw beyondLimits([{ pointer: '/customer/phone', detail: `is required for ${name}` }]);
  }
  const e164 = parsePhone(capabilities, phone);
  if (e164 !== null) return e164;
  const detail = isNeeded
    ? `must be a Kenyan mobile number, such as 0712345678, 254712345678 or +254712345678`
    : 'must be a phone number with its country, such as +254712345678';
  throw beyondLimits([{ pointer: '/customer/phone', detail }]);
}

/** The phone in E.164; null when it is none that this provider serves. */
export function parsePhone(capabilities: Capabilities, phone: string): string | null {
  const parsed = parsePhoneNumberFromString(phone, homeCountry(capabilities));
  const countries = capabilities.phone_countries;
  const isServed =
    countries.length === 0 || (parsed?.country !== undefined && countries.includes(parsed.country));
  if (parsed?.isValid() !== true || !isServed || !isMobileOf(countries, parsed.number)) return null;
  return parsed.number;
}

function homeCountry({ phone_countries }: Capabilities): CountryCode | undefined {
  const [country] = phone_countries;
  return country !== undefined && isSupportedCountry(country) ? country : undefined;
}

/** Safaricom takes 2547… and 2541…; a landline would never see the prompt. */
function isMobileOf(countries: readonly string[], e164: string): boolean {
  return !countries.includes('KE') || /^\+254[17]\d{8}$/.test(e164);
}

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
