import { errorAnswer, invalidField, type WireAnswer } from './answers.ts';
import type { PromptRequest } from './prompts.ts';
import type { Settings } from './settings.ts';

/** The one app and short code that the simulator knows. Test values, public in Daraja's sandbox. */
export type Merchant = {
  readonly consumer_key: string;
  readonly consumer_secret: string;
  readonly short_code: string;
  readonly till_number: string;
  readonly passkey: string;
  readonly initiator_name: string;
  readonly initiator_password: string;
};

export const SANDBOX_MERCHANT: Merchant = {
  consumer_key: 'sandbox-consumer-key',
  consumer_secret: 'sandbox-consumer-secret',
  short_code: '174379',
  till_number: '600100',
  passkey: 'bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919',
  initiator_name: 'testapi',
  initiator_password: 'sandbox-initiator-password',
};

const AMOUNT_MAX = 250_000;
/** Words that Daraja wants nowhere in a callback address, also inside of others. */
const FILTERED_WORDS = /safaricom|exe|cmd|sql|query|ngrok|mockbin|requestbin/i;
/** By the documentation as well; the sandbox was seen to take it in a path. */
const OWN_NAME = /m-?pesa/i;
/** The sandbox refused a host with capitals. */
const HOST_WITH_CAPITALS = /^https?:\/\/[^/?#]*[A-Z]/;
/** Others, such as @ # &, fail without a word, so strictness refuses them. */
const PLAIN_TEXT = /^[A-Za-z0-9 ._/-]+$/;

/** Short code, password and timestamp, which each call carries; null when they are in order. */
export function checkSignature(
  body: Record<string, unknown> | null,
  merchant: Merchant,
): WireAnswer | null {
  if (body === null) return invalidField('BusinessShortCode');
  if (!/^\d{5,7}$/.test(text(body, 'BusinessShortCode'))) return invalidField('BusinessShortCode');
  const timestamp = text(body, 'Timestamp');
  if (!/^\d{14}$/.test(timestamp)) return invalidField('Timestamp');
  if (text(body, 'BusinessShortCode') !== merchant.short_code)
    return errorAnswer('merchant_missing');
  const expected = Buffer.from(`${merchant.short_code}${merchant.passkey}${timestamp}`);
  const isRight = text(body, 'Password') === expected.toString('base64');
  return isRight ? null : errorAnswer('wrong_credentials');
}

/** A push in order, or the refusal that Daraja gives; fields in the order of the documentation. */
export function checkPush(
  body: Record<string, unknown> | null,
  merchant: Merchant,
  strictness: Settings['strictness'],
): { readonly request: PromptRequest } | { readonly refusal: WireAnswer } {
  const refusal = checkSignature(body, merchant);
  if (refusal !== null) return { refusal };
  const field = body === null ? 'BusinessShortCode' : findBadField(body, merchant, strictness);
  if (field !== null || body === null) return { refusal: invalidField(field ?? 'Payload') };
  const request = {
    phone: text(body, 'PhoneNumber'),
    amount: Number(text(body, 'Amount')),
    account_reference: text(body, 'AccountReference'),
    callback_url: text(body, 'CallBackURL'),
    short_code: merchant.short_code,
  };
  return { request };
}

function findBadField(
  body: Record<string, unknown>,
  merchant: Merchant,
  strictness: Settings['strictness'],
): string | null {
  const isTill = text(body, 'TransactionType') === 'CustomerBuyGoodsOnline';
  const isPaybill = text(body, 'TransactionType') === 'CustomerPayBillOnline';
  const amount = text(body, 'Amount');
  const reference = text(body, 'AccountReference');
  const description = text(body, 'TransactionDesc');
  const isWhole = /^\d+$/.test(amount) && Number(amount) >= 1 && Number(amount) <= AMOUNT_MAX;
  const isStrict = strictness === 'strict';
  const referenceMax = isStrict ? 12 : 100;
  const isPlain = (words: string) => !isStrict || PLAIN_TEXT.test(words);
  const checks: Readonly<Record<string, boolean>> = {
    TransactionType: isTill || isPaybill,
    Amount: isWhole,
    PartyA: isPhone(text(body, 'PartyA')),
    PartyB: text(body, 'PartyB') === (isTill ? merchant.till_number : merchant.short_code),
    PhoneNumber: isPhone(text(body, 'PhoneNumber')),
    CallBackURL: isCallbackUrl(text(body, 'CallBackURL'), strictness),
    AccountReference:
      (isStrict ? /[A-Za-z0-9]/ : /\S/).test(reference) &&
      reference.length <= referenceMax &&
      isPlain(reference),
    Remarks: description.length >= 1,
    TransactionDesc: !isStrict || (description.length <= 13 && isPlain(description)),
  };
  return Object.entries(checks).find(([, isGood]) => !isGood)?.[0] ?? null;
}

function text(body: Record<string, unknown>, field: string): string {
  const value = body[field];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function isPhone(phone: string): boolean {
  return /^254[17]\d{8}$/.test(phone);
}

function isCallbackUrl(url: string, strictness: Settings['strictness']): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, host } = new URL(url);
  const hasOwnName = OWN_NAME.test(strictness === 'strict' ? url : host);
  const isFiltered = FILTERED_WORDS.test(url) || HOST_WITH_CAPITALS.test(url) || hasOwnName;
  return /^https?:$/.test(protocol) && !isFiltered;
}
