import { createHash } from 'node:crypto';
import { fromWholeUnits } from '../../domain/money.ts';
import type { ProviderWebhook } from '../../domain/provider.ts';
import { type RefundFailureCode, type RefundResult, refundFailure } from '../../domain/refund.ts';
import { entryOf } from '../../domain/table.ts';
import type { Translation } from '../../domain/webhook-event.ts';
import { REVERSAL_CHANNELS } from './reversal.ts';
import { initiatorResult, parseJson } from './wire.ts';

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

/** None is signed: the token in the address is their proof. */
export const reversalWebhooks: readonly ProviderWebhook[] = [
  { channel: REVERSAL_CHANNELS.result, acknowledgement, translate: translateResult },
  { channel: REVERSAL_CHANNELS.timeout, acknowledgement, translate: translateTimeout },
  { channel: REVERSAL_CHANNELS.status, acknowledgement, translate: translateStatus },
  { channel: REVERSAL_CHANNELS.statusTimeout, acknowledgement, translate: ignoreTimeout },
];

function translateResult(body: Uint8Array): Translation {
  const parsed = initiatorResult.safeParse(parseJson(body));
  if (!parsed.success) return { kind: 'malformed', reason: 'not the result of a reversal' };
  const { ResultCode, OriginatorConversationID, TransactionID, ResultParameters } =
    parsed.data.Result;
  const items = new Map(ResultParameters?.ResultParameter.map(({ Key, Value }) => [Key, Value]));
  const event = readResult(
    ResultCode,
    OriginatorConversationID,
    TransactionID,
    items.get('Amount'),
  );
  return { kind: 'refund_event', eventKey: `${OriginatorConversationID}|${ResultCode}`, event };
}

function readResult(
  code: string,
  providerRefundId: string | null,
  transactionId: string,
  amount: string | number | null | undefined,
): RefundResult {
  const amountMinor = amount == null ? null : (fromWholeUnits(Number(amount), 'KES') ?? 0);
  const place = { providerRefundId, providerCode: code };
  if (code === '0') {
    return { kind: 'succeeded', receipt: transactionId, amountMinor, failure: null, ...place };
  }
  const failureCode = entryOf(FAILURES, code);
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

/**
 * What a status query tells of a reversal. Only a completed one concludes; it names its own
 * conversation, so the token alone says whose it is.
 */
function translateStatus(body: Uint8Array): Translation {
  const parsed = initiatorResult.safeParse(parseJson(body));
  if (!parsed.success) return { kind: 'malformed', reason: 'not the result of a status query' };
  const { ResultCode, OriginatorConversationID, ResultParameters } = parsed.data.Result;
  const items = new Map(ResultParameters?.ResultParameter.map(({ Key, Value }) => [Key, Value]));
  const status = String(items.get('TransactionStatus') ?? '');
  const receipt = items.get('ReceiptNo');
  const eventKey = `${OriginatorConversationID}|${ResultCode}|${status}`;
  const isDone = ResultCode === '0' && status === 'Completed' && receipt != null;
  if (!isDone) {
    const message = `Daraja says of the reversal: ${status || `result code ${ResultCode}`}`;
    const event = {
      kind: 'unknown',
      providerRefundId: null,
      providerCode: status,
      message,
    } as const;
    return { kind: 'refund_event', eventKey, event };
  }
  const done = readResult('0', null, String(receipt), items.get('Amount') ?? undefined);
  return { kind: 'refund_event', eventKey, event: done };
}

/** Nobody learned anything: the query is made again by the policy. */
function ignoreTimeout(body: Uint8Array): Translation {
  const digest = createHash('sha256').update(body).digest('hex').slice(0, 32);
  return { kind: 'ignored', eventKey: `timeout-${digest}`, reason: 'a status query timed out' };
}

/** It waited too long in Daraja's queue: it may be done or not. No body is documented. */
function translateTimeout(body: Uint8Array): Translation {
  const digest = createHash('sha256').update(body).digest('hex').slice(0, 32);
  const message = 'Daraja’s queue timed out: it may have been reversed or not';
  const event = { kind: 'unknown', providerRefundId: null, providerCode: null, message } as const;
  return { kind: 'refund_event', eventKey: `timeout-${digest}`, event };
}
