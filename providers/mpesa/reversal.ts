import { constants, createPublicKey, publicEncrypt } from 'node:crypto';
import { ProviderError } from '../../domain/error.ts';
import { wholeUnits } from '../../domain/money.ts';
import { type RefundRequest, type RefundResult, refundFailure } from '../../domain/refund.ts';
import type { MpesaCredentials } from './credentials.ts';
import type { HttpAnswer } from './http.ts';
import { rejectionOf } from './map.ts';
import { type ReversalRequest, reversalAnswer } from './wire.ts';

/** The channels of providers/mpesa/webhook.ts where Daraja tells what became of a reversal. */
export const REVERSAL_CHANNELS = { result: 'rev', timeout: 'rvt' } as const;

/**
 * The request for a reversal, which gives money of a receipt back.
 * @throws ProviderError `misconfigured` for what is missing, naming it.
 */
export function reversalRequest(
  credentials: MpesaCredentials,
  request: RefundRequest,
): ReversalRequest {
  const { initiator_name, initiator_password, certificate, short_code } = credentials;
  if (!initiator_name || !initiator_password || !certificate) {
    const message = 'a reversal takes initiator_name, initiator_password and certificate: set them';
    throw new ProviderError('misconfigured', message);
  }
  const shillings = wholeUnits(request.amount);
  const result = request.callbackUrls[REVERSAL_CHANNELS.result];
  const timeout = request.callbackUrls[REVERSAL_CHANNELS.timeout];
  if (shillings === null || request.providerReceipt === null || !result || !timeout) {
    const message = 'M-Pesa gives back whole shillings of a payment whose receipt is known';
    throw new ProviderError('misconfigured', message);
  }
  return {
    Initiator: initiator_name,
    SecurityCredential: sealPassword(initiator_password, certificate),
    CommandID: 'TransactionReversal',
    TransactionID: request.providerReceipt,
    Amount: shillings,
    ReceiverParty: short_code,
    RecieverIdentifierType: '11',
    ResultURL: result,
    QueueTimeOutURL: timeout,
    Remarks: request.reason.replace(/[^A-Za-z0-9 ]/g, '').slice(0, 100),
    Occasion: '',
  };
}

/** RSA PKCS#1 v1.5 with the environment's key. Its certificate may have expired long ago. */
function sealPassword(password: string, certificate: string): string {
  try {
    const key = createPublicKey(certificate.replaceAll('\\n', '\n'));
    const options = { key, padding: constants.RSA_PKCS1_PADDING };
    return publicEncrypt(options, Buffer.from(password)).toString('base64');
  } catch {
    throw new ProviderError(
      'misconfigured',
      'certificate is no PEM of a certificate or public key',
    );
  }
}

/** Daraja's acknowledgement: it will tell later. @throws ProviderError for a refusal. */
export function readReversal(answer: HttpAnswer): RefundResult {
  const parsed = reversalAnswer.safeParse(answer.json);
  if (answer.status !== 200 || !parsed.success) throw rejectionOf(answer);
  const { ResponseCode, ConversationID } = parsed.data;
  if (ResponseCode === '0') {
    const message = 'Daraja took the reversal; its result comes later';
    return { kind: 'pending', providerRefundId: ConversationID, providerCode: '0', message };
  }
  return {
    kind: 'failed',
    providerRefundId: ConversationID,
    receipt: null,
    amountMinor: null,
    failure: refundFailure('declined', ResponseCode),
    providerCode: ResponseCode,
  };
}
