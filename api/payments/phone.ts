import {
  type CountryCode,
  isSupportedCountry,
  parsePhoneNumberFromString,
} from 'libphonenumber-js';
import type { Capabilities, Provider } from '../../domain/provider.ts';
import { type ApiError, faulty } from '../errors.ts';
import { inOurDigits } from '../middleware/card-number.ts';

/** The phone in E.164, null where none is needed. @throws ApiError naming the spellings. */
export function readPhone({ name, capabilities }: Provider, phone: string | undefined) {
  const isNeeded = capabilities.needs.includes('phone');
  if (phone === undefined) {
    if (!isNeeded) return null;
    throw refuse(`is required for ${name}`);
  }
  const e164 = parsePhone(capabilities, phone);
  if (e164 !== null) return e164;
  const detail = isNeeded
    ? `must be a Kenyan mobile number, such as 0712345678, 254712345678 or +254712345678`
    : 'must be a phone number with its country, such as +254712345678';
  throw refuse(withOddSign(phone, detail));
}

function refuse(detail: string): ApiError {
  const pointer = '/customer/phone';
  return faulty('provider_limits', [{ pointer, detail }]);
}

/** The phone in E.164; null when it is none that this provider serves. */
export function parsePhone(capabilities: Capabilities, phone: string): string | null {
  const written = inOneSpelling(phone);
  if (!WRITTEN.test(written)) return null;
  const parsed = parsePhoneNumberFromString(written, homeCountry(capabilities));
  const countries = capabilities.phone_countries;
  const isServed =
    countries.length === 0 || (parsed?.country !== undefined && countries.includes(parsed.country));
  if (parsed?.isValid() !== true || !isServed || !isMobileOf(countries, parsed.number)) return null;
  return parsed.number;
}

/** The parser would skip letters, or read them as digits: nobody dials what was not written. */
const WRITTEN = /^[\s(]*\+?[\d\s\p{Pd}./()]+$/u;
const ODD_SIGN = /[^\d\s\p{Pd}./()+]/u;

/** Told before what a phone must be, when a letter or a sign is what is wrong with it. */
export function withOddSign(phone: string, detail: string): string {
  const odd = ODD_SIGN.exec(inOneSpelling(phone))?.[0];
  return odd === undefined ? detail : `holds “${odd}”, which no phone number has: it ${detail}`;
}

/** What nobody sees in a pasted phone: marks of direction, joiners, variants of the sign before. */
const UNSEEN = /[\p{Cf}\p{M}]/gu;
/** How most of the world dials abroad; Kenya’s own is 000, which the parser knows. */
const ABROAD = /^[\s(]*00(?=[\s)]*[1-9])/;

function inOneSpelling(phone: string): string {
  return inOurDigits(phone.replace(UNSEEN, '')).trim().replace(ABROAD, '+').replace(/^\+\)/, '+');
}

function homeCountry({ phone_countries }: Capabilities): CountryCode | undefined {
  const [country] = phone_countries;
  return country !== undefined && isSupportedCountry(country) ? country : undefined;
}

/** Safaricom takes 2547… and 2541…; a landline would never see the prompt. */
function isMobileOf(countries: readonly string[], e164: string): boolean {
  return !countries.includes('KE') || /^\+254[17]\d{8}$/.test(e164);
}
