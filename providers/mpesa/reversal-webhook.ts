import { createHash } from 'node:crypto';
import { fromWholeUnits } from '../../domain/money.ts';
import { type RefundFailureCode, type RefundResult, refundFailure } from '../../domain/refund.ts';
import type { ProviderWebhook, Translation } from '../../domain/webhook-event.ts';
import { REVERSAL_CHANNELS } from './reversal.ts';
import { reversalResult } from './wire.ts';

/**
 * What a reversal's result code proves. A code that is not here concludes nothing; nor does
 * R000001 (reversed already): whether that was ours, a person must see. Sources: README.md.
 */
// table
const FAILURES: Readonly<Record<string, RefundFailureCode>> = {
  '1': 'insufficient_balance',
  '11': 'misconfigured',
  '21': 'misconfigured',
  '2001': 'misconfigured',
  '2006': 'misconfigured',
  '2028': 'misconfigured',
  '8006': 'misconfigured',
  R000002: 'receipt_refused',
};

const acknowledgement = { ResultCode: 0, ResultDesc: 'Accepted' } as const;

/** Neither is signed: the token in the address is their proof. */
export const reversalWebhooks: readonly ProviderWebhook[] = [
  { channel: REVERSAL_CHANNELS.result, acknowledgement, translate: translateResult },
  { channel: REVERSAL_CHANNELS.timeout, acknowledgement, translate: translateTimeout },
];

function translateResult(body: Uint8Array): Translation {
  const parsed = reversalResult.safeParse(parseJson(body));
  if (!parsed.success) return { kind: 'malformed', reason: 'not the result of a reversal' };
  const { ResultCode, ConversationID, TransactionID, ResultParameters } = parsed.data.Result;
  const items = new Map(ResultParameters?.ResultParameter.map(({ Key, Value }) => [Key, Value]));
  const event = readResult(ResultCode, ConversationID, TransactionID, items.get('Amount'));
  return { kind: 'refund_event', eventKey: `${ConversationID}|${ResultCode}`, event };
}

function readResult(
  code: string,
  providerRefundId: string,
  transactionId: string,
  amount: string | number | undefined,
): RefundResult {
  const amountMinor = amount === undefined ? null : (fromWholeUnits(Number(amount), 'KES') ?? 0);
  const place = { providerRefundId, providerCode: code };
  if (code === '0') {
    return { kind: 'succeeded', receipt: transactionId, amountMinor, failure: null, ...place };
  }
  const failureCode = FAILURES[code];
  if (failureCode !== undefined) {
    const failure = refundFailure(failureCode, code);
    return { kind: 'failed', receipt: null, amountMinor: null, failure, ...place };
  }
  const message =
    code === 'R000001'
      ? 'Daraja says that the receipt was reversed already: see in the portal by whom'
      : `unknown result code ${code}`;
  return { kind: 'unknown', message, ...place };
}

/** It waited too long in Daraja's queue: it may be done or not. No body is documented. */
function translateTimeout(body: Uint8Array): Translation {
  const digest = createHash('sha256').update(body).digest('hex').slice(0, 32);
  const message = 'Daraja’s queue timed out: it may have been reversed or not';
  const event = { kind: 'unknown', providerRefundId: null, providerCode: null, message } as const;
  return { kind: 'refund_event', eventKey: `timeout-${digest}`, event };
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return undefined;
  }
}
