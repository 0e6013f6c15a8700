import { request } from 'undici';
import { errorAnswer, invalidField, type WireAnswer } from './answers.ts';
import { makeConversation, makeReceipt } from './ids.ts';
import { isInitiator, openPassword } from './initiator.ts';
import { textOf } from './json.ts';
import type { Ledger, Reversal } from './ledger.ts';
import type { Merchant } from './push-request.ts';
import type { Settings } from './settings.ts';
import { takeStatusQuery } from './statuses.ts';

export type Reversals = {
  /** Takes a request; what becomes of it is told later. */
  take(body: Record<string, unknown> | null): WireAnswer;
  /** What became of one, asked by its OriginatorConversationID. */
  ask(body: Record<string, unknown> | null): WireAnswer;
  close(): void;
};
const STATUS_DELAY_MS = 200;

type Parts = { readonly ledger: Ledger; readonly settings: Settings; readonly merchant: Merchant };

/** Money back, as Daraja does it: acknowledged now, told later at one of two addresses. */
export function openReversals(parts: Parts): Reversals {
  const closing = new AbortController();
  const timers = new Set<NodeJS.Timeout>();
  const schedule = (reversal: Reversal) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      void tell(parts, reversal, closing.signal);
    }, parts.settings.reversal_delay_ms);
    timers.add(timer);
  };
  for (const reversal of parts.ledger.reversals.values()) {
    if (reversal.result_code === null) schedule(reversal);
  }
  return {
    take(body) {
      const field = findBadField(body, parts.merchant);
      if (field !== null || body === null) return invalidField(field ?? 'Payload');
      if (parts.settings.reversal === 'busy') return errorAnswer('system_busy');
      const reversal = write(parts, newReversal(body));
      schedule(reversal);
      return accepted(reversal);
    },
    ask: (body) =>
      takeStatusQuery(parts, body, (url, result) => {
        const tellNow = () => void post(url, JSON.stringify(result), closing.signal);
        timers.add(setTimeout(tellNow, STATUS_DELAY_MS));
      }),
    close() {
      closing.abort();
      for (const timer of timers) clearTimeout(timer);
    },
  };
}

function write({ ledger }: Parts, reversal: Reversal): Reversal {
  ledger.write({ kind: 'reversal', reversal });
  return reversal;
}

function newReversal(body: Record<string, unknown>): Reversal {
  const { own, originator } = makeConversation(Date.now());
  return {
    conversation_id: own,
    originator_conversation_id: originator,
    receipt: textOf(body, 'TransactionID'),
    amount: Number(body.Amount),
    initiator: textOf(body, 'Initiator'),
    security_credential: textOf(body, 'SecurityCredential'),
    password: openPassword(textOf(body, 'SecurityCredential')),
    result_url: textOf(body, 'ResultURL'),
    timeout_url: textOf(body, 'QueueTimeOutURL'),
    result_code: null,
    result_receipt: null,
  };
}

function findBadField(body: Record<string, unknown> | null, merchant: Merchant): string | null {
  if (body === null) return 'Payload';
  const remarks = textOf(body, 'Remarks');
  const checks: Readonly<Record<string, boolean>> = {
    Initiator: textOf(body, 'Initiator') !== '',
    SecurityCredential: textOf(body, 'SecurityCredential') !== '',
    CommandID: body.CommandID === 'TransactionReversal',
    TransactionID: /^[A-Z0-9]{10}$/.test(textOf(body, 'TransactionID')),
    Amount: /^\d+$/.test(textOf(body, 'Amount')) && Number(body.Amount) >= 1,
    ReceiverParty: textOf(body, 'ReceiverParty') === merchant.short_code,
    RecieverIdentifierType: textOf(body, 'RecieverIdentifierType') === '11',
    ResultURL: URL.canParse(textOf(body, 'ResultURL')),
    QueueTimeOutURL: URL.canParse(textOf(body, 'QueueTimeOutURL')),
    Remarks: remarks.length >= 2 && remarks.length <= 100,
  };
  return Object.entries(checks).find(([, isGood]) => !isGood)?.[0] ?? null;
}

function accepted(reversal: Reversal): WireAnswer {
  return {
    status: 200,
    body: {
      OriginatorConversationID: reversal.originator_conversation_id,
      ConversationID: reversal.conversation_id,
      ResponseCode: '0',
      ResponseDescription: 'Accept the service request successfully.',
    },
  };
}

/** The result code by what the ledger knows; null when there is nothing to tell. */
function decide({ ledger, settings, merchant }: Parts, reversal: Reversal): string | null {
  if (settings.reversal === 'never') return null;
  if (settings.reversal_code !== null) return settings.reversal_code;
  if (!isInitiator(merchant, reversal.initiator, reversal.password)) return '2001';
  const charge = ledger.charges.find(({ receipt }) => receipt === reversal.receipt);
  if (charge === undefined) return 'R000002';
  const given = [...ledger.reversals.values()]
    .filter((it) => it.receipt === reversal.receipt && it.result_code === '0')
    .reduce((sum, { amount }) => sum + amount, 0);
  return given + reversal.amount > charge.amount ? 'R000001' : '0';
}

async function tell(parts: Parts, reversal: Reversal, signal: AbortSignal): Promise<void> {
  const code = decide(parts, reversal);
  if (code === null) return;
  const result_receipt = makeReceipt(Date.now());
  const done = write(parts, { ...reversal, result_code: code, result_receipt });
  const isTimeout = parts.settings.reversal === 'queue_timeout';
  const url = isTimeout ? reversal.timeout_url : reversal.result_url;
  const body = JSON.stringify(isTimeout ? {} : resultBody(done));
  for (let sent = 0; sent < parts.settings.duplicates; sent += 1) await post(url, body, signal);
}

function resultBody(reversal: Reversal): object {
  const code = reversal.result_code ?? '0';
  const isDone = code === '0';
  const items = [
    { Key: 'DebitAccountBalance', Value: 'Utility Account|KES|1000.00|1000.00|0.00|0.00' },
    { Key: 'Amount', Value: reversal.amount },
    { Key: 'OriginalTransactionID', Value: reversal.receipt },
    { Key: 'Charge', Value: 0 },
    { Key: 'CreditPartyPublicName' },
  ];
  const Result = {
    ResultType: 0,
    ResultCode: /^\d+$/.test(code) ? Number(code) : code,
    ResultDesc: isDone ? 'The service request is processed successfully.' : `Refused (${code}).`,
    OriginatorConversationID: reversal.originator_conversation_id,
    ConversationID: reversal.conversation_id,
    TransactionID: reversal.result_receipt,
    ...(isDone ? { ResultParameters: { ResultParameter: items } } : {}),
    ReferenceData: { ReferenceItem: { Key: 'QueueTimeoutURL', Value: reversal.timeout_url } },
  };
  return { Result };
}

async function post(url: string, body: string, signal: AbortSignal): Promise<void> {
  try {
    const headers = { 'content-type': 'application/json;charset=UTF-8' };
    const answer = await request(url, { method: 'POST', headers, body, signal, reset: true });
    await answer.body.dump();
  } catch {
    // Daraja tells once; whoever was away does not learn it.
  }
}
