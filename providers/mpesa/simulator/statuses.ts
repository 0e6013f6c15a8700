import { randomBytes } from 'node:crypto';
import { invalidField, type WireAnswer } from './answers.ts';
import type { Book, Reversal } from './book.ts';
import type { Merchant } from './push-request.ts';
import { text } from './reversals.ts';

type Body = Record<string, unknown> | null;
type Parts = { readonly book: Book; readonly merchant: Merchant };
export type Tell = (url: string, body: object) => void;

/** The transaction status query: acknowledged now; what became of a reversal is told later. */
export function takeStatusQuery({ book, merchant }: Parts, body: Body, tell: Tell): WireAnswer {
  if (body === null) return invalidField('Payload');
  const field = findBadField(body, merchant);
  if (field !== null) return invalidField(field);
  const asked = text(body, 'OriginalConversationID');
  const reversal = [...book.reversals.values()].find(
    (it) => it.originator_conversation_id === asked,
  );
  const own = randomBytes(16).toString('hex');
  tell(text(body, 'ResultURL'), { Result: resultOf(reversal, own) });
  return {
    status: 200,
    body: {
      OriginatorConversationID: own,
      ConversationID: `AG_${own.slice(0, 28)}`,
      ResponseCode: '0',
      ResponseDescription: 'Accept the service request successfully.',
    },
  };
}

function findBadField(body: Record<string, unknown>, merchant: Merchant): string | null {
  const checks: Readonly<Record<string, boolean>> = {
    Initiator: text(body, 'Initiator') === merchant.initiator_name,
    SecurityCredential: text(body, 'SecurityCredential') !== '',
    CommandID: body.CommandID === 'TransactionStatusQuery',
    PartyA: text(body, 'PartyA') === merchant.short_code,
    IdentifierType: text(body, 'IdentifierType') === '4',
    ResultURL: URL.canParse(text(body, 'ResultURL')),
    QueueTimeOutURL: URL.canParse(text(body, 'QueueTimeOutURL')),
    Remarks: text(body, 'Remarks').length >= 2,
  };
  return Object.entries(checks).find(([, isGood]) => !isGood)?.[0] ?? null;
}

function resultOf(reversal: Reversal | undefined, own: string): object {
  const head = { ResultType: 0, OriginatorConversationID: own, ConversationID: `AG_${own}` };
  if (reversal?.result_code !== '0') {
    const ResultDesc = 'The transaction is not found.';
    return { ...head, ResultCode: 'R000002', ResultDesc, TransactionID: 'UJ70000000' };
  }
  const items = [
    { Key: 'TransactionStatus', Value: 'Completed' },
    { Key: 'ReasonType', Value: 'Transaction Reversal' },
    { Key: 'Amount', Value: String(reversal.amount) },
    { Key: 'OriginatorConversationID', Value: reversal.originator_conversation_id },
    { Key: 'TransactionReason' },
    { Key: 'ReceiptNo', Value: reversal.result_receipt },
  ];
  return {
    ...head,
    ResultCode: 0,
    ResultDesc: 'The service request is processed successfully.',
    TransactionID: 'UJ70000000',
    ResultParameters: { ResultParameter: items },
  };
}
