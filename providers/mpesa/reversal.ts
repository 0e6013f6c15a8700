import { constants, publicEncrypt } from 'node:crypto';
import { ProviderError } from '../../domain/error.ts';
import { wholeUnits } from '../../domain/money.ts';
import {
  type RefundLookupRequest,
  type RefundRequest,
  type RefundResult,
  refundFailed,
  refundFailure,
} from '../../domain/refund.ts';
import type { HttpAnswer } from '../shared/http.ts';
import { type MpesaCredentials, readCertificate } from './credentials.ts';
import { rejectionOf } from './map.ts';
import { acknowledgementAnswer, type ReversalRequest, type StatusRequest } from './wire.ts';

/** The channels of reversal-webhook.ts where Daraja tells what became of a reversal. */
export const REVERSAL_CHANNELS = {
  result: 'rev',
  timeout: 'rvt',
  status: 'rst',
  statusTimeout: 'rsx',
} as const;

/**
 * The request for a reversal, which gives money of a receipt back.
 * @throws ProviderError `misconfigured` for what is missing, naming it.
 */
export function reversalRequest(
  credentials: MpesaCredentials,
  request: RefundRequest,
): ReversalRequest {
  const shillings = wholeUnits(request.amount);
  const result = request.callbackUrls[REVERSAL_CHANNELS.result];
  const timeout = request.callbackUrls[REVERSAL_CHANNELS.timeout];
  if (shillings === null || !request.providerReceipt || !result || !timeout) {
    const message = 'M-Pesa gives back whole shillings of a payment whose receipt is known';
    throw new ProviderError('misconfigured', message);
  }
  return {
    ...initiatorOf(credentials),
    CommandID: 'TransactionReversal',
    TransactionID: request.providerReceipt,
    Amount: shillings,
    ReceiverParty: credentials.short_code,
    RecieverIdentifierType: '11',
    ResultURL: result,
    QueueTimeOutURL: timeout,
    Remarks: request.reason.replace(/[^A-Za-z0-9 ]/g, '').slice(0, 100),
    Occasion: '',
  };
}

/** Asks what became of a reversal; the answer comes later. */
export function statusRequest(
  credentials: MpesaCredentials,
  { providerRefundId, callbackUrls }: RefundLookupRequest,
): StatusRequest {
  const result = callbackUrls[REVERSAL_CHANNELS.status];
  const timeout = callbackUrls[REVERSAL_CHANNELS.statusTimeout];
  if (providerRefundId === null || !result || !timeout) {
    const message = 'Daraja can be asked by its OriginatorConversationID only';
    throw new ProviderError('unsent', message);
  }
  return statusQuery(credentials, providerRefundId, { result, timeout });
}

/** The transaction status query of what Daraja calls by this conversation; it moves nothing. */
export function statusQuery(
  credentials: MpesaCredentials,
  conversation: string,
  { result, timeout }: { readonly result: string; readonly timeout: string },
): StatusRequest {
  return {
    ...initiatorOf(credentials),
    CommandID: 'TransactionStatusQuery',
    OriginalConversationID: conversation,
    PartyA: credentials.short_code,
    IdentifierType: '4',
    ResultURL: result,
    QueueTimeOutURL: timeout,
    Remarks: 'Status',
    Occasion: '',
  };
}

function initiatorOf({ initiator_name, initiator_password, certificate }: MpesaCredentials) {
  if (!initiator_name || !initiator_password || !certificate) {
    const message = 'a reversal takes initiator_name, initiator_password and certificate: set them';
    throw new ProviderError('misconfigured', message);
  }
  const SecurityCredential = sealPassword(initiator_password, certificate);
  return { Initiator: initiator_name, SecurityCredential };
}

/** RSA PKCS#1 v1.5 with the environment's key. */
function sealPassword(password: string, certificate: string): string {
  const key = readCertificate(certificate);
  if (key === null) {
    const message = 'certificate is no PEM of an RSA certificate or public key';
    throw new ProviderError('misconfigured', message);
  }
  try {
    const options = { key, padding: constants.RSA_PKCS1_PADDING };
    return publicEncrypt(options, Buffer.from(password)).toString('base64');
  } catch {
    throw new ProviderError('misconfigured', 'initiator_password is too long for certificate');
  }
}

/** The acknowledgement of a reversal; more comes later. @throws ProviderError for a refusal. */
export function readReversal(answer: HttpAnswer): RefundResult {
  const parsed = acknowledgementAnswer.safeParse(answer.json);
  if (answer.status !== 200 || !parsed.success) throw rejectionOf(answer);
  const { ResponseCode, OriginatorConversationID } = parsed.data;
  if (ResponseCode === '0') {
    const message = 'Daraja took the reversal; its result comes later';
    return {
      kind: 'pending',
      providerRefundId: OriginatorConversationID,
      providerCode: '0',
      message,
    };
  }
  const refused = refundFailed(refundFailure('declined', ResponseCode));
  return { ...refused, providerRefundId: OriginatorConversationID };
}

/** The same of a status query, which concludes nothing by itself. */
export function readStatus(answer: HttpAnswer, providerRefundId: string | null): RefundResult {
  const parsed = acknowledgementAnswer.safeParse(answer.json);
  if (answer.status !== 200 || !parsed.success) throw rejectionOf(answer);
  const { ResponseCode } = parsed.data;
  const message = 'Daraja was asked about the reversal; its answer comes later';
  return { kind: 'pending', providerRefundId, providerCode: ResponseCode, message };
}
