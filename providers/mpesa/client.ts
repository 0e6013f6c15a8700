import { ProviderError } from '../../domain/error.ts';
import { wholeUnits } from '../../domain/money.ts';
import type { ChargeResult, LookupResult } from '../../domain/outcome.ts';
import type {
  ChargeContext,
  ChargeRequest,
  LookupRequest,
  ProviderClient,
} from '../../domain/provider.ts';
import type { ReceiptAnswer, ReceiptRequest } from '../../domain/receipt.ts';
import type { RefundLookupRequest, RefundRequest, RefundResult } from '../../domain/refund.ts';
import { createHttpClient, type HttpAnswer, type HttpClient } from '../shared/http.ts';
import type { MpesaCredentials } from './credentials.ts';
import { readPush, readQuery } from './map.ts';
import { readConversation, readReceiptAsked, receiptQuery } from './receipt.ts';
import { readReversal, readStatus, reversalRequest, statusRequest } from './reversal.ts';
import { createTokenSource, type TokenSource } from './token.ts';
import { isTokenRefused, refusedTwice } from './token-refusal.ts';
import type { PushRequest, QueryRequest } from './wire.ts';

type Line = {
  readonly http: HttpClient;
  readonly tokens: TokenSource;
  readonly baseUrl: string;
};

/** STK Push and STK Query of one Daraja app. */
export function createMpesaClient(credentials: MpesaCredentials): ProviderClient {
  const { base_url: baseUrl } = credentials;
  const http = createHttpClient('Daraja', baseUrl);
  const line = { http, baseUrl, tokens: createTokenSource(http, credentials) };
  return {
    charge: (request, context) => charge(line, credentials, request, context),
    lookup: (request, signal) => lookup(line, credentials, request, signal),
    refund: (request, context) => refund(line, credentials, request, context),
    lookupRefund: (request, signal) => lookupRefund(line, credentials, request, signal),
    learnReceipt: (request, signal) => learnReceipt(line, credentials, request, signal),
    close: () => http.close(),
  };
}

async function charge(
  line: Line,
  credentials: MpesaCredentials,
  request: ChargeRequest,
  context: ChargeContext,
): Promise<ChargeResult> {
  const body = pushRequest(credentials, request, Date.now());
  const call = { path: '/mpesa/stkpush/v1/processrequest', body, timeoutMs: request.timeoutMs };
  await line.tokens.get(context.signal, request.timeoutMs);
  await context.dispatch();
  const reading = readPush(await post(line, call, context.signal));
  if (reading.kind === 'declined') return reading.outcome;
  return {
    kind: 'pending',
    providerPaymentId: reading.checkoutRequestId,
    providerCode: '0',
    message: 'the prompt is on its way to the payer',
  };
}

async function lookup(
  line: Line,
  credentials: MpesaCredentials,
  request: LookupRequest,
  signal: AbortSignal,
): Promise<LookupResult> {
  const { providerPaymentId } = request;
  if (providerPaymentId === null) {
    throw new ProviderError('unsent', 'M-Pesa can be asked by its CheckoutRequestID only');
  }
  const answer = await query(line, credentials, providerPaymentId, request.timeoutMs, signal);
  return readQuery(answer, providerPaymentId);
}

function query(
  line: Line,
  credentials: MpesaCredentials,
  checkoutRequestId: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const body: QueryRequest = {
    ...signature(credentials, Date.now()),
    CheckoutRequestID: checkoutRequestId,
  };
  return post(line, { path: '/mpesa/stkpushquery/v1/query', body, timeoutMs }, signal);
}

async function refund(
  line: Line,
  credentials: MpesaCredentials,
  request: RefundRequest,
  context: ChargeContext,
): Promise<RefundResult> {
  const body = reversalRequest(credentials, request);
  const call = { path: '/mpesa/reversal/v1/request', body, timeoutMs: request.timeoutMs };
  await line.tokens.get(context.signal, request.timeoutMs);
  await context.dispatch();
  return readReversal(await post(line, call, context.signal));
}

async function lookupRefund(
  line: Line,
  credentials: MpesaCredentials,
  request: RefundLookupRequest,
  signal: AbortSignal,
): Promise<RefundResult> {
  const body = statusRequest(credentials, request);
  const call = { path: STATUS_PATH, body, timeoutMs: request.timeoutMs };
  return readStatus(await post(line, call, signal), request.providerRefundId);
}

/** The status query tells the push's own conversation, and by that its receipt is asked for. */
async function learnReceipt(
  line: Line,
  credentials: MpesaCredentials,
  { providerPaymentId, callbackUrls, timeoutMs }: ReceiptRequest,
  signal: AbortSignal,
): Promise<ReceiptAnswer> {
  if (providerPaymentId === null) return NO_ID;
  const said = await query(line, credentials, providerPaymentId, timeoutMs, signal);
  const conversation = readConversation(said, providerPaymentId);
  if (typeof conversation !== 'string') return conversation;
  const body = receiptQuery(credentials, conversation, callbackUrls);
  const answer = await post(line, { path: STATUS_PATH, body, timeoutMs }, signal);
  return readReceiptAsked(answer, credentials, conversation);
}

const STATUS_PATH = '/mpesa/transactionstatus/v1/query';
const NO_ID: ReceiptAnswer = {
  kind: 'unknown',
  providerCode: null,
  message: 'Daraja told no CheckoutRequestID of the payment',
};

type Call = { readonly path: string; readonly body: object; readonly timeoutMs: number };

/**
 * Sends with the held token; once more with a new one when Daraja refuses the first. A second
 * refusal is no bad weather: the app may not make this call.
 */
async function post(line: Line, call: Call, signal: AbortSignal): Promise<HttpAnswer> {
  const { http, tokens, baseUrl } = line;
  const sendWith = (token: string) =>
    http.send({
      method: 'POST',
      path: call.path,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(call.body),
      timeoutMs: call.timeoutMs,
      signal,
    });
  const token = await tokens.get(signal, call.timeoutMs);
  const answer = await sendWith(token);
  if (!isTokenRefused(answer)) return answer;
  tokens.drop(token);
  const renewed = await tokens.get(signal, call.timeoutMs);
  const second = await sendWith(renewed);
  if (!isTokenRefused(second)) return second;
  // A token has the products that its app had when the token was made; the next call fetches a
  // new one.
  tokens.drop(renewed);
  throw refusedTwice(second, call.path, baseUrl);
}

/** The push for a charge. @throws ProviderError `misconfigured` for what Daraja cannot take. */
function pushRequest(
  credentials: MpesaCredentials,
  request: ChargeRequest,
  nowMs: number,
): PushRequest {
  const shillings = wholeUnits(request.amount);
  const phone = request.customer.phone?.replace(/^\+/, '');
  if (shillings === null || request.amount.currency !== 'KES' || phone === undefined) {
    throw new ProviderError('misconfigured', 'M-Pesa takes whole shillings and a Kenyan phone');
  }
  const isTill = credentials.transaction_type === 'till';
  return {
    ...signature(credentials, nowMs),
    TransactionType: isTill ? 'CustomerBuyGoodsOnline' : 'CustomerPayBillOnline',
    Amount: shillings,
    PartyA: phone,
    PartyB: isTill ? (credentials.till_number ?? '') : credentials.short_code,
    PhoneNumber: phone,
    CallBackURL: request.callbackUrl,
    AccountReference: request.reference.slice(0, 12),
    TransactionDesc: plainText(request.description, 13) || 'Payment',
  };
}

/** Special characters in Daraja's text fields fail silently, so only plain ones are sent. */
function plainText(text: string, lengthMax: number): string {
  return text
    .replace(/[^A-Za-z0-9 ]/g, '')
    .trim()
    .slice(0, lengthMax)
    .trim();
}

function signature({ short_code, passkey }: MpesaCredentials, nowMs: number) {
  const timestamp = nairobiTimestamp(nowMs);
  const password = Buffer.from(`${short_code}${passkey}${timestamp}`).toString('base64');
  return { BusinessShortCode: short_code, Password: password, Timestamp: timestamp };
}

/** `YYYYMMDDHHmmss` in East Africa Time (UTC+3, no daylight saving), in whatever zone we are. */
export function nairobiTimestamp(nowMs: number): string {
  const iso = new Date(nowMs + 3 * 3_600_000).toISOString();
  return iso.slice(0, 19).replace(/[-T:]/g, '');
}
