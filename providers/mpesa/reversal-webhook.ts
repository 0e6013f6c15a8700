import { fromWholeUnits } from '../../domain/money.ts';
import type { ProviderWebhook } from '../../domain/provider.ts';
import { type RefundFailureCode, type RefundResult, refundFailure } from '../../domain/refund.ts';
import { entryOf } from '../../domain/table.ts';
import { quoteProvider } from '../../domain/text.ts';
import type { Translation } from '../../domain/webhook-event.ts';
import { quoteResult } from './map.ts';
import { REVERSAL_CHANNELS } from './reversal.ts';
import { ACCEPTED, digestOf, type InitiatorResult, readInitiatorResult } from './wire.ts';

/**
 * What the result code of a reversal proves; of a question, whether our configuration is to mend. A
 * code that is not here concludes nothing; nor does R000001 (reversed already): whether that was
 * ours, a person must see. Sources: README.md.
 */
// table
export const RESULT_FAILURES: Readonly<Record<string, RefundFailureCode>> = {
  '1': 'insufficient_balance',
  '11': 'misconfigured',
  '21': 'misconfigured',
  '2001': 'misconfigured',
  '2006': 'misconfigured',
  '2028': 'misconfigured',
  '8006': 'misconfigured',
  R000002: 'receipt_refused',
};

/** None is signed: the token in the address is their proof. */
export const reversalWebhooks: readonly ProviderWebhook[] = [
  { channel: REVERSAL_CHANNELS.result, acknowledgement: ACCEPTED, translate: translateResult },
  { channel: REVERSAL_CHANNELS.timeout, acknowledgement: ACCEPTED, translate: translateTimeout },
  { channel: REVERSAL_CHANNELS.status, acknowledgement: ACCEPTED, translate: translateStatus },
  { channel: REVERSAL_CHANNELS.statusTimeout, acknowledgement: ACCEPTED, translate: ignoreTimeout },
];

function translateResult(body: Uint8Array): Translation {
  const result = readInitiatorResult(body);
  if (result === null) return { kind: 'malformed', reason: 'not the result of a reversal' };
  const { code, conversation } = result;
  return { kind: 'refund_event', eventKey: `${conversation}|${code}`, event: readResult(result) };
}

function readResult(result: InitiatorResult): RefundResult {
  const { code, description, conversation, transactionId, amount } = result;
  const place = { providerRefundId: conversation, providerCode: code };
  if (code === '0') return succeeded(transactionId, amount, place);
  const failureCode = entryOf(RESULT_FAILURES, code);
  if (failureCode !== undefined) {
    const failure = refundFailure(failureCode, code);
    return { kind: 'failed', receipt: null, amountMinor: null, failure, ...place };
  }
  const message =
    code === 'R000001'
      ? 'Daraja says that the receipt was reversed already: see in the portal by whom'
      : `unknown ${quoteResult(code, description)}`;
  return { kind: 'unknown', message, unclear: 'unknown_result', ...place };
}

/** An amount that is no number of shillings stays visible as one that matches nothing. */
function succeeded(
  receipt: string | null,
  amount: InitiatorResult['amount'],
  place: Pick<RefundResult, 'providerRefundId' | 'providerCode'>,
): RefundResult {
  const amountMinor = amount === null ? null : (fromWholeUnits(Number(amount), 'KES') ?? 0);
  return { kind: 'succeeded', receipt, amountMinor, failure: null, ...place };
}

/**
 * What a status query tells of a reversal. Only a completed one concludes; it names its own
 * conversation, so the token alone says whose it is.
 */
function translateStatus(body: Uint8Array): Translation {
  const result = readInitiatorResult(body);
  if (result === null) return { kind: 'malformed', reason: 'not the result of a status query' };
  const { code, conversation, amount } = result;
  const status = result.textOf('TransactionStatus') ?? '';
  const receipt = result.textOf('ReceiptNo');
  const eventKey = `${conversation}|${code}|${status}`;
  if (code === '0' && status === 'Completed' && receipt !== null) {
    const event = succeeded(receipt, amount, { providerRefundId: null, providerCode: '0' });
    return { kind: 'refund_event', eventKey, event };
  }
  const { description } = result;
  const message = `Daraja says of the reversal: ${quoteProvider(status) || quoteResult(code, description)}`;
  const event = { kind: 'unknown', providerRefundId: null, providerCode: status, message } as const;
  return { kind: 'refund_event', eventKey, event };
}

/** Nobody learned anything: the query is made again by the policy. */
function ignoreTimeout(body: Uint8Array): Translation {
  const eventKey = `timeout-${digestOf(body)}`;
  return { kind: 'ignored', eventKey, reason: 'a status query timed out' };
}

/** It waited too long in Daraja's queue: it may be done or not. No body is documented. */
function translateTimeout(body: Uint8Array): Translation {
  const message = 'Daraja’s queue timed out: it may have been reversed or not';
  const event = { kind: 'unknown', providerRefundId: null, providerCode: null, message } as const;
  return { kind: 'refund_event', eventKey: `timeout-${digestOf(body)}`, event };
}
