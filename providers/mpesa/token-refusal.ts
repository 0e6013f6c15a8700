import { ProviderError } from '../../domain/error.ts';
import { quoteProvider } from '../../domain/text.ts';
import type { HttpAnswer } from '../shared/http.ts';
import { errorAnswer, faultAnswer } from './wire.ts';

/** Daraja's codes for a token that it does not take; which one comes depends on the call. */
const TOKEN_REFUSED = new Set(['404.001.03', '400.003.01', '401.002.01']);
/** How Daraja and what stands before it say so under other codes. */
const REFUSING_WORDS = /access_?\s?token|api_?\s?product/i;
const REFUSING_STATUSES = new Set([400, 401, 403, 404]);

/** Which of an app's products a call belongs to, as Daraja's portal names them. */
// table
const PRODUCTS: readonly (readonly [path: string, product: string])[] = [
  ['/stkpush', 'M-Pesa Express (Lipa na M-Pesa)'],
  ['/reversal', 'Reversal'],
  ['/transactionstatus', 'Transaction Status'],
];

/** True when the answer says that our access token was not taken: then nothing was done. */
export function isTokenRefused(answer: HttpAnswer): boolean {
  const refused = readRefused(answer);
  if (refused === null) return false;
  if (TOKEN_REFUSED.has(refused.code)) return true;
  const isRefusal = REFUSING_STATUSES.has(answer.status);
  return isRefusal && REFUSING_WORDS.test(`${refused.code} ${refused.words}`);
}

/**
 * A new token was refused as well, so it is not its age. Tokens carry the products of their app;
 * one of an app without the product, or of the other environment, is never taken.
 */
export function refusedTwice(answer: HttpAnswer, path: string, baseUrl: string): ProviderError {
  const { code, words } = readRefused(answer) ?? { code: '', words: '' };
  const product = PRODUCTS.find(([part]) => path.includes(part))?.[1] ?? 'this call';
  const said = [quoteProvider(words), code && `(${code})`].filter(Boolean).join(' ');
  return new ProviderError(
    'misconfigured',
    `Daraja refused a new access token too: ${said || 'no reason given'}. Check in Daraja’s portal that the app of consumer_key has the product ${product}, and that it is an app of the environment of ${environmentOf(baseUrl)}`,
    { providerCode: code || `http_${answer.status}` },
  );
}

function environmentOf(baseUrl: string): string {
  const { hostname } = new URL(baseUrl);
  if (hostname === 'sandbox.safaricom.co.ke') return `the sandbox (${baseUrl})`;
  return hostname === 'api.safaricom.co.ke' ? `production (${baseUrl})` : baseUrl;
}

function readRefused(answer: HttpAnswer): { code: string; words: string } | null {
  const error = errorAnswer.safeParse(answer.json);
  if (error.success) return { code: error.data.errorCode, words: error.data.errorMessage };
  const fault = faultAnswer.safeParse(answer.json);
  if (!fault.success) return null;
  const { detail, faultstring } = fault.data.fault;
  return { code: detail.errorcode, words: faultstring };
}
