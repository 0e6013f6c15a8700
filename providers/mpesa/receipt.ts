import { ProviderError } from '../../domain/error.ts';
import { fromWholeUnits } from '../../domain/money.ts';
import type { ProviderWebhook } from '../../domain/provider.ts';
import type { ReceiptAnswer, ReceiptEvent } from '../../domain/receipt.ts';
import { entryOf } from '../../domain/table.ts';
import { quoteProvider } from '../../domain/text.ts';
import type { Translation } from '../../domain/webhook-event.ts';
import type { HttpAnswer } from '../shared/http.ts';
import type { MpesaCredentials } from './credentials.ts';
import { quoteResult, readQuery, rejectionOf } from './map.ts';
import { statusQuery } from './reversal.ts';
import { RESULT_FAILURES } from './reversal-webhook.ts';
import {
  ACCEPTED,
  acknowledgementAnswer,
  digestOf,
  queryAnswer,
  readInitiatorResult,
  type StatusRequest,
} from './wire.ts';

const CHANNELS = { result: 'rcp', timeout: 'rcx' } as const;

/** Where Daraja tells a receipt that it was asked for; the token in the address is the proof. */
export const receiptWebhooks: readonly ProviderWebhook[] = [
  { channel: CHANNELS.result, acknowledgement: ACCEPTED, translate: translateReceipt },
  { channel: CHANNELS.timeout, acknowledgement: ACCEPTED, translate: translateTimeout },
];

/**
 * The push's MerchantRequestID, by which the transaction status query is asked. Only a payment that
 * succeeded has a receipt. @throws ProviderError when the query told nothing, which it may yet.
 */
export function readConversation(
  answer: HttpAnswer,
  checkoutRequestId: string,
): string | ReceiptAnswer {
  const said = readQuery(answer, checkoutRequestId);
  const { providerCode } = said;
  if (said.kind === 'pending') throw new ProviderError('unsent', 'Daraja tells nothing of it now');
  if (said.kind !== 'succeeded') {
    return unknown(providerCode, `Daraja’s status query says ${said.kind} (${providerCode})`);
  }
  const { MerchantRequestID } = queryAnswer.parse(answer.json);
  return MerchantRequestID ?? unknown(providerCode, 'Daraja told no MerchantRequestID of it');
}

/** @throws ProviderError `misconfigured` for what is missing, naming it. */
export function receiptQuery(
  credentials: MpesaCredentials,
  conversation: string,
  callbackUrls: Readonly<Record<string, string>>,
): StatusRequest {
  const { [CHANNELS.result]: result, [CHANNELS.timeout]: timeout } = callbackUrls;
  if (!result || !timeout)
    throw new ProviderError('misconfigured', 'there is no address to answer');
  return statusQuery(credentials, conversation, { result, timeout });
}

/** The acknowledgement of the query. @throws ProviderError when it may still be taken. */
export function readReceiptAsked(
  answer: HttpAnswer,
  { short_code, till_number }: MpesaCredentials,
  conversation: string,
): ReceiptAnswer {
  const parsed = acknowledgementAnswer.safeParse(answer.json);
  if (answer.status !== 200 || !parsed.success) return refusalOf(answer);
  const { ResponseCode } = parsed.data;
  if (ResponseCode !== '0') return unknown(ResponseCode, `Daraja refused to say (${ResponseCode})`);
  // A till's money may be named by the till or by its store: no source says which.
  const receivers = till_number === undefined ? [short_code] : [short_code, till_number];
  return { kind: 'asked', question: { conversation, receivers } };
}

/** Nobody documents that a push can be asked for so: refused by that very field, it cannot. */
function refusalOf(answer: HttpAnswer): ReceiptAnswer {
  const refusal = rejectionOf(answer);
  if (!/OriginalConversationID|TransactionID/i.test(refusal.message)) throw refusal;
  return unknown(refusal.providerCode, 'Daraja does not take a push’s id for this question');
}

function unknown(providerCode: string | null, message: string): ReceiptAnswer {
  return { kind: 'unknown', providerCode, message };
}

function translateReceipt(body: Uint8Array): Translation {
  const result = readInitiatorResult(body);
  if (result === null) return { kind: 'malformed', reason: 'not the result of a status query' };
  const { code, description, textOf } = result;
  const status = textOf('TransactionStatus');
  const isDone = code === '0' && status === 'Completed';
  const amount = textOf('Amount');
  const event: ReceiptEvent = {
    kind: 'receipt',
    receipt: isDone ? textOf('ReceiptNo') : null,
    amountMinor: amount === null ? null : fromWholeUnits(Number(amount), 'KES'),
    conversation: textOf('OriginatorConversationID'),
    receiver: receiverIn(textOf('CreditPartyName')),
    providerCode: code,
    message: isDone
      ? 'Daraja told the payment’s receipt'
      : `Daraja says of the payment: ${quoteProvider(status ?? '') || quoteResult(code, description)}`,
    ...(entryOf(RESULT_FAILURES, code) === 'misconfigured' ? misconfiguredBy(code) : {}),
  };
  const eventKey = [result.conversation, code, event.receipt, amount].join('|');
  return { kind: 'refund_event', eventKey, event };
}

function misconfiguredBy(code: string): Pick<ReceiptEvent, 'isMisconfigured' | 'message'> {
  const message = `Daraja refused the question (${code}): check initiator_name, its password and what it is permitted`;
  return { isMisconfigured: true, message };
}

/** Longer than the number of any till or paybill: a person's, which goes no further (ADR 0003). */
const RECEIVER_DIGITS_MAX = 8;

function receiverIn(name: string | null): string | null {
  const digits = /^\d+/.exec(name ?? '')?.[0] ?? null;
  return digits === null || digits.length <= RECEIVER_DIGITS_MAX ? digits : 'another';
}

/** No body is documented. Nothing was learned, and nothing moved. */
function translateTimeout(body: Uint8Array): Translation {
  const nothing = { receipt: null, amountMinor: null, conversation: null, receiver: null };
  const message = 'the question timed out in Daraja’s queue';
  const event: ReceiptEvent = { kind: 'receipt', ...nothing, providerCode: null, message };
  return { kind: 'refund_event', eventKey: `timeout-${digestOf(body)}`, event };
}
