import { invalidField, type WireAnswer } from './answers.ts';
import { forgeToken, makeConversation } from './ids.ts';
import { isInitiator, openPassword } from './initiator.ts';
import { textOf } from './json.ts';
import type { Ledger } from './ledger.ts';
import type { Merchant } from './push-request.ts';
import type { Settings, StatusManner } from './settings.ts';

type Body = Record<string, unknown> | null;
type Parts = { readonly ledger: Ledger; readonly merchant: Merchant; readonly settings: Settings };
export type Tell = (url: string, body: object) => void;

/** Something that moved money, as the status query tells of it. */
type Moved = {
  readonly conversation: string;
  readonly receipt: string | null;
  readonly amount: number;
  readonly reason: string;
  /** Who paid, and where the money came in; a reversal names nobody. */
  readonly parties: readonly [string, string] | null;
};

/** The transaction status query: acknowledged now; what it knows is told later. */
export function takeStatusQuery(parts: Parts, body: Body, tell: Tell): WireAnswer {
  if (body === null) return invalidField('Payload');
  const field = findBadField(body, parts.merchant);
  if (field !== null) return invalidField(field);
  const { own, originator } = makeConversation(Date.now());
  const names = { OriginatorConversationID: originator, ConversationID: own };
  const { status: manner } = parts.settings;
  const password = openPassword(textOf(body, 'SecurityCredential'));
  const isKnown = isInitiator(parts.merchant, textOf(body, 'Initiator'), password);
  const moved = manner === 'unknown' ? undefined : findMoved(parts.ledger, body);
  const result = {
    Result: { ResultType: 0, ...names, ...(isKnown ? resultOf(moved, manner) : STRANGER) },
  };
  for (const url of addressesOf(textOf(body, 'ResultURL'), manner)) tell(url, result);
  return {
    status: 200,
    body: {
      ...names,
      ResponseCode: '0',
      ResponseDescription: 'Accept the service request successfully.',
    },
  };
}

function addressesOf(url: string, manner: StatusManner): readonly string[] {
  if (manner === 'never') return [];
  if (manner === 'forged') return [forgeToken(url)];
  return manner === 'twice' ? [url, url] : [url];
}

/** By its receipt, or by the conversation in which it was asked for. */
function findMoved(ledger: Ledger, body: Record<string, unknown>): Moved | undefined {
  const [receipt, conversation] = [
    textOf(body, 'TransactionID'),
    textOf(body, 'OriginalConversationID'),
  ];
  return [...listReversed(ledger), ...listCharged(ledger)].find((it) =>
    receipt === '' ? it.conversation === conversation : it.receipt === receipt,
  );
}

function listReversed(ledger: Ledger): readonly Moved[] {
  return [...ledger.reversals.values()]
    .filter(({ result_code }) => result_code === '0')
    .map(({ originator_conversation_id, result_receipt, amount }) => ({
      conversation: originator_conversation_id,
      receipt: result_receipt,
      amount,
      reason: 'Transaction Reversal',
      parties: null,
    }));
}

function listCharged(ledger: Ledger): readonly Moved[] {
  return ledger.charges.flatMap(({ checkout_request_id, receipt, amount }) => {
    const prompt = ledger.prompts.get(checkout_request_id);
    if (prompt === undefined) return [];
    const { merchant_request_id: conversation, phone, short_code } = prompt;
    const parties = [`${phone} - JANE DOE`, `${short_code} - Example Shop`] as const;
    return [{ conversation, receipt, amount, reason: 'Pay Bill Online', parties }];
  });
}

function findBadField(body: Record<string, unknown>, merchant: Merchant): string | null {
  const checks: Readonly<Record<string, boolean>> = {
    Initiator: textOf(body, 'Initiator') !== '',
    SecurityCredential: textOf(body, 'SecurityCredential') !== '',
    CommandID: body.CommandID === 'TransactionStatusQuery',
    PartyA: textOf(body, 'PartyA') === merchant.short_code,
    IdentifierType: textOf(body, 'IdentifierType') === '4',
    ResultURL: URL.canParse(textOf(body, 'ResultURL')),
    QueueTimeOutURL: URL.canParse(textOf(body, 'QueueTimeOutURL')),
    Remarks: textOf(body, 'Remarks').length >= 2,
  };
  return Object.entries(checks).find(([, isGood]) => !isGood)?.[0] ?? null;
}

const STRANGER = {
  ResultCode: 2001,
  ResultDesc: 'The initiator information is invalid.',
  TransactionID: 'UJ70000000',
} as const;

function resultOf(moved: Moved | undefined, manner: StatusManner): object {
  if (moved === undefined) {
    const ResultDesc = 'The transaction is not found.';
    return { ResultCode: 'R000002', ResultDesc, TransactionID: 'UJ70000000' };
  }
  const [DebitPartyName, CreditPartyName] = moved.parties ?? [];
  const amount = manner === 'wrong_amount' ? moved.amount + 1 : moved.amount;
  const parties = Object.entries({ DebitPartyName, CreditPartyName });
  const items = [
    ...parties.flatMap(([Key, Value]) => (Value === undefined ? [] : [{ Key, Value }])),
    { Key: 'TransactionStatus', Value: 'Completed' },
    { Key: 'ReasonType', Value: moved.reason },
    { Key: 'Amount', Value: String(amount) },
    { Key: 'OriginatorConversationID', Value: moved.conversation },
    { Key: 'TransactionReason' },
    { Key: 'ReceiptNo', Value: moved.receipt },
  ];
  return {
    ResultCode: 0,
    ResultDesc: 'The service request is processed successfully.',
    TransactionID: 'UJ70000000',
    ResultParameters: { ResultParameter: items },
  };
}
