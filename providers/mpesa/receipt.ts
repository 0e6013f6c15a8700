import { createHash } from 'node:crypto';
import { ProviderError } from '../../domain/error.ts';
import { fromWholeUnits } from '../../domain/money.ts';
import type { ProviderWebhook } from '../../domain/provider.ts';
import type { ReceiptAnswer, ReceiptEvent } from '../../domain/receipt.ts';
import type { Translation } from '../../domain/webhook-event.ts';
import type { MpesaCredentials } from './credentials.ts';
import type { HttpAnswer } from './http.ts';
import { readQuery, rejectionOf } from './map.ts';
import { statusQuery } from './reversal.ts';
import {
  acknowledgement,
  initiatorResult,
  parseJson,
  queryAnswer,
  type StatusRequest,
} from './wire.ts';

const CHANNELS = { result: 'rcp', timeout: 'rcx' } as const;
const reply = { ResultCode: 0, ResultDesc: 'Accepted' } as const;

/** Where Daraja tells a receipt that it was asked for; the token in the address is the proof. */
export const receiptWebhooks: readonly ProviderWebhook[] = [
  { channel: CHANNELS.result, acknowledgement: reply, translate: translateReceipt },
  { channel: CHANNELS.timeout, acknowledgement: reply, translate: translateTimeout },
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
  const parsed = acknowledgement.safeParse(answer.json);
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
  const parsed = initiatorResult.safeParse(parseJson(body));
  if (!parsed.success) return { kind: 'malformed', reason: 'not the result of a status query' };
  const { ResultCode, OriginatorConversationID, ResultParameters } = parsed.data.Result;
  const items = new Map(ResultParameters?.ResultParameter.map(({ Key, Value }) => [Key, Value]));
  const textOf = (key: string) => (items.get(key) == null ? null : String(items.get(key)));
  const status = textOf('TransactionStatus');
  const isDone = ResultCode === '0' && status === 'Completed';
  const amount = textOf('Amount');
  const event: ReceiptEvent = {
    kind: 'receipt',
    receipt: isDone ? textOf('ReceiptNo') : null,
    amountMinor: amount === null ? null : fromWholeUnits(Number(amount), 'KES'),
    conversation: textOf('OriginatorConversationID'),
    receiver: /^\d+/.exec(textOf('CreditPartyName') ?? '')?.[0] ?? null,
    providerCode: ResultCode,
    message: isDone
      ? 'Daraja told the payment’s receipt'
      : `Daraja says of the payment: ${status ?? `result code ${ResultCode}`}`,
  };
  const eventKey = [OriginatorConversationID, ResultCode, event.receipt, amount].join('|');
  return { kind: 'refund_event', eventKey, event };
}

/** No body is documented. Nothing was learned, and nothing moved. */
function translateTimeout(body: Uint8Array): Translation {
  const digest = createHash('sha256').update(body).digest('hex').slice(0, 32);
  const nothing = { receipt: null, amountMinor: null, conversation: null, receiver: null };
  const message = 'the question timed out in Daraja’s queue';
  const event: ReceiptEvent = { kind: 'receipt', ...nothing, providerCode: null, message };
  return { kind: 'refund_event', eventKey: `timeout-${digest}`, event };
}
