import { readdirSync, readFileSync } from 'node:fs';
import type { Provider } from '../../domain/provider.ts';
import { cpay } from '../../providers/cpay/index.ts';
import { mpesa } from '../../providers/mpesa/index.ts';
import { stripe } from '../../providers/stripe/index.ts';

/**
 * What relays and careless senders make of a callback. What decides must be there and right; of all
 * else nothing may keep the result from being read: most callbacks come once.
 */
const ID = 'ws_CO_071020261015032700000101';
const CONVERSATION = '29112-34801843-1';
const MARK = '\ufeff';

function read(channel: string, body: string | object): object {
  const providers: readonly Provider[] = [mpesa, stripe, cpay];
  const webhooks = providers.flatMap((it) => [it.webhook, ...it.refundWebhooks]);
  const webhook = webhooks.find((it) => it.channel === channel);
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const told = webhook?.translate(Buffer.from(text));
  return told !== undefined && 'event' in told ? { ...told, ...told.event } : { ...told };
}

const stk = (changes: object, code: unknown = 1032) => ({
  Body: { stkCallback: { CheckoutRequestID: ID, ResultCode: code, ...changes } },
});
const paidWith = (...more: readonly unknown[]) => ({
  CallbackMetadata: {
    Item: [{ Name: 'Amount', Value: 1 }, { Name: 'MpesaReceiptNumber', Value: 'R1' }, ...more],
  },
});
const CANCELED = { kind: 'canceled', providerPaymentId: ID, providerCode: '1032' };
const PAID = { kind: 'succeeded', receipt: 'R1', money: { amountMinor: 100, currency: 'KES' } };
const UNPRICED = { kind: 'succeeded', money: null };
const MALFORMED = { kind: 'malformed' };

const result = (changes: object, code: unknown = 2001) => ({
  Result: { ResultCode: code, OriginatorConversationID: CONVERSATION, ...changes },
});
const REFUSED = { kind: 'failed', providerRefundId: CONVERSATION, providerCode: '2001' };
const amount = { Key: 'Amount', Value: 1 };
const status = (...more: readonly unknown[]) => ({
  TransactionID: 'T1',
  ResultParameters: {
    ResultParameter: [
      { Key: 'TransactionStatus', Value: 'Completed' },
      { Key: 'ReceiptNo', Value: 'R1' },
      amount,
      ...more,
    ],
  },
});

const workflow = `payment-${'a'.repeat(32)}`;
const charge = (changes: object) => ({
  id: 'evt_1',
  type: 'charge.updated',
  data: {
    id: 'ch_1',
    object: 'charge',
    status: 'declined',
    amount: 100,
    amount_captured: 0,
    currency: 'KES',
    decline_code: 'declined',
    receipt: null,
    metadata: { workflow },
    ...changes,
  },
});
const intent = (changes: object) => ({
  id: 'evt_1',
  object: 'event',
  type: 'payment_intent.succeeded',
  data: {
    object: {
      id: 'pi_1',
      object: 'payment_intent',
      status: 'succeeded',
      amount: 100,
      amount_received: 100,
      currency: 'kes',
      latest_charge: 'py_1',
      metadata: { malipo_workflow: workflow },
      ...changes,
    },
  },
});
const DECLINED = { kind: 'declined', providerPaymentId: 'ch_1', workflowId: workflow };
const TAKEN = { kind: 'succeeded', providerPaymentId: 'pi_1', workflowId: workflow };

type Case = readonly [odd: string, channel: string, body: string | object, says: object];
// biome-ignore format: table, one callback per line: what is odd, channel, body, what it says
const CASES: readonly Case[] = [
  ['a mark before it', 'stk', MARK + JSON.stringify(stk(paidWith(), 0)), PAID],
  ['a mark after line ends', 'stk', `\r\n${MARK} ${JSON.stringify(stk({}))}\n`, CANCELED],
  ['metadata null', 'stk', stk({ CallbackMetadata: null }), CANCELED],
  ['metadata as text', 'stk', stk({ CallbackMetadata: '' }), CANCELED],
  ['metadata as a list', 'stk', stk({ CallbackMetadata: [] }), CANCELED],
  ['metadata as a number', 'stk', stk({ CallbackMetadata: 7 }), CANCELED],
  ['metadata without items', 'stk', stk({ CallbackMetadata: {} }), CANCELED],
  ['items null', 'stk', stk({ CallbackMetadata: { Item: null } }), CANCELED],
  ['items as text', 'stk', stk({ CallbackMetadata: { Item: '' } }), CANCELED],
  ['items as an empty object', 'stk', stk({ CallbackMetadata: { Item: {} } }), CANCELED],
  ['one item as an object', 'stk', stk({ CallbackMetadata: { Item: { Name: 'Amount', Value: 1 } } }, 0), { kind: 'succeeded', receipt: null, money: { amountMinor: 100 } }],
  ['an item of another type', 'stk', stk(paidWith({ Name: 'Balance', Value: { a: 1 } }, { Name: 'New', Value: true }), 0), PAID],
  ['items that are none', 'stk', stk(paidWith(null, 'text', 7, [], {}, { Value: 1 }, { Name: 5 }), 0), PAID],
  ['a description of another type', 'stk', stk({ ResultDesc: { text: 'x' } }), CANCELED],
  ['a request id of another type', 'stk', stk({ MerchantRequestID: 7 }), CANCELED],
  ['fields nobody knows', 'stk', { ...stk({ New: [1] }), More: 1 }, CANCELED],
  ['an amount of another type', 'stk', stk({ CallbackMetadata: { Item: [{ Name: 'Amount', Value: {} }] } }, 0), UNPRICED],
  ['an amount null', 'stk', stk({ CallbackMetadata: { Item: [{ Name: 'Amount', Value: null }] } }, 0), UNPRICED],
  ['a success with empty metadata', 'stk', stk({ CallbackMetadata: [] }, 0), UNPRICED],
  ['no code', 'stk', stk({}, null), MALFORMED],
  ['a code as a list', 'stk', stk({}, [0]), MALFORMED],
  ['an empty code', 'stk', stk({}, ''), MALFORMED],
  ['blanks for a code', 'stk', stk({}, ' '), MALFORMED],
  ['an empty amount', 'stk', stk({ CallbackMetadata: { Item: [{ Name: 'Amount', Value: '' }] } }, 0), UNPRICED],
  ['blanks around its id', 'stk', stk({ CheckoutRequestID: ` ${ID}\n` }), CANCELED],
  ['no prompt', 'stk', stk({ CheckoutRequestID: null }), MALFORMED],
  ['nothing but a mark', 'stk', MARK, MALFORMED],

  ['a mark before it', 'rev', MARK + JSON.stringify(result({})), REFUSED],
  ['no transaction', 'rev', result({}), REFUSED],
  ['a transaction null', 'rev', result({ TransactionID: null }), REFUSED],
  ['a transaction that is a number', 'rev', result({ TransactionID: 7 }), REFUSED],
  ['parameters null', 'rev', result({ ResultParameters: null }), REFUSED],
  ['parameters as text', 'rev', result({ ResultParameters: '' }), REFUSED],
  ['parameters as a list', 'rev', result({ ResultParameters: [] }), REFUSED],
  ['parameters empty', 'rev', result({ ResultParameters: {} }), REFUSED],
  ['one parameter as an object', 'rev', result({ ResultParameters: { ResultParameter: { Key: 'BOCompletedTime', Value: 1 } } }), REFUSED],
  ['a parameter of another type', 'rev', result({ ResultParameters: { ResultParameter: [{ Key: 'A', Value: { b: 1 } }, null] } }), REFUSED],
  ['an amount alone, as an object', 'rev', result({ TransactionID: 'T1', ResultParameters: { ResultParameter: amount } }, '0'), { kind: 'succeeded', receipt: 'T1', amountMinor: 100 }],
  ['a success without a transaction', 'rev', result({}, 0), { kind: 'succeeded', receipt: null, amountMinor: null }],
  ['an empty amount', 'rev', result({ TransactionID: ' T1 ', ResultParameters: { ResultParameter: { Key: 'Amount', Value: '' } } }, ' 0'), { kind: 'succeeded', receipt: 'T1', amountMinor: null }],
  ['no code', 'rev', result({}, null), MALFORMED],
  ['an empty code', 'rev', result({}, ''), MALFORMED],
  ['no conversation', 'rev', result({ OriginatorConversationID: '' }), MALFORMED],

  ['a mark before it', 'rst', MARK + JSON.stringify(result(status(), 0)), { kind: 'succeeded', receipt: 'R1', amountMinor: 100 }],
  ['a parameter of another type', 'rst', result(status({ Key: 'Reason', Value: [] }), 0), { kind: 'succeeded', receipt: 'R1' }],
  ['no transaction', 'rst', result({ ...status(), TransactionID: undefined }, 0), { kind: 'succeeded', receipt: 'R1' }],
  ['parameters as a list', 'rst', result({ ResultParameters: [] }), { kind: 'unknown' }],
  ['an empty amount', 'rst', result(status({ Key: 'Amount', Value: ' ' }), 0), { kind: 'succeeded', receipt: 'R1', amountMinor: null }],
  ['no code', 'rst', result({}, {}), MALFORMED],
  ['an empty code', 'rst', result({}, ''), MALFORMED],

  ['a mark before it', 'rcp', MARK + JSON.stringify(result(status(), 0)), { kind: 'receipt', receipt: 'R1', amountMinor: 100 }],
  ['a parameter of another type', 'rcp', result(status({ Key: 'Reason', Value: {} }), 0), { kind: 'receipt', receipt: 'R1' }],
  ['no transaction', 'rcp', result({ ...status(), TransactionID: null }, 0), { kind: 'receipt', receipt: 'R1' }],
  ['parameters as text', 'rcp', result({ ResultParameters: '' }), { kind: 'receipt', receipt: null }],
  ['an empty amount', 'rcp', result(status({ Key: 'Amount', Value: '' }), ' 0'), { kind: 'receipt', receipt: 'R1', amountMinor: null }],
  ['no code', 'rcp', result({}, null), MALFORMED],
  ['an empty code', 'rcp', result({}, ''), MALFORMED],

  ['a mark before it', 'cpay', MARK + JSON.stringify(charge({})), DECLINED],
  ['no decline code', 'cpay', charge({ decline_code: undefined }), DECLINED],
  ['a decline code of another type', 'cpay', charge({ decline_code: 7 }), DECLINED],
  ['no receipt', 'cpay', charge({ receipt: undefined }), DECLINED],
  ['a receipt of another type', 'cpay', charge({ receipt: [] }), DECLINED],
  ['metadata of other types', 'cpay', charge({ metadata: { workflow, count: 7, more: null } }), DECLINED],
  ['another status', 'cpay', charge({ status: 'melted' }), { ...MALFORMED, workflowId: workflow }],

  ['a mark before it', 'stripe', MARK + JSON.stringify(intent({})), TAKEN],
  ['a reason of another type', 'stripe', intent({ cancellation_reason: 7 }), TAKEN],
  ['an error of another type', 'stripe', intent({ last_payment_error: 'x' }), TAKEN],
  ['an action of another type', 'stripe', intent({ next_action: [] }), TAKEN],
  ['a charge of another type', 'stripe', intent({ latest_charge: 7 }), { ...TAKEN, receipt: null }],
  ['metadata of other types', 'stripe', intent({ metadata: { malipo_workflow: workflow, n: 7 } }), TAKEN],
  ['another status', 'stripe', intent({ status: 'melted' }), { ...MALFORMED, workflowId: workflow }],
];

it.each(CASES)('%s on the channel %s', (_odd, channel, body, says) => {
  expect(read(channel, body)).toMatchObject(says);
});

const FOLDER = new URL('../../providers/mpesa/fixtures/', import.meta.url);
const SHOWN = { ...PAID, receipt: 'UJ7A1B2C3D', providerPaymentId: ID };
const REPORTED: Readonly<Record<string, readonly [channel: string, says: object]>> = {
  'ugly-reversal-result-parameter-object': ['rev', REFUSED],
  'ugly-reversal-success-shuffled-parameters': ['rev', { kind: 'succeeded', amountMinor: 100 }],
  'ugly-stk-callback-form-encoded-type': ['stk', SHOWN],
  'ugly-stk-cancelled-metadata-list': ['stk', CANCELED],
  'ugly-stk-cancelled-metadata-null-item': ['stk', CANCELED],
  'ugly-stk-cancelled-metadata-text': ['stk', CANCELED],
  'ugly-stk-success-amount-as-text-hashed-phone': ['stk', SHOWN],
  'ugly-stk-success-byte-order-mark': ['stk', SHOWN],
};

it.each(Object.entries(REPORTED))('%s', (name, [channel, says]) => {
  const { body, text } = JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8'));
  expect(read(channel, text ?? body)).toMatchObject(says);
});

it('knows what to make of every ugly fixture', () => {
  const files = readdirSync(FOLDER).map((file) => file.replace('.json', ''));
  expect(files.filter((name) => name.startsWith('ugly-')).toSorted()).toEqual(
    Object.keys(REPORTED),
  );
});

it('a mark before it makes no other callback of it', () => {
  const text = JSON.stringify(stk(paidWith(), 0));
  expect(read('stk', MARK + text)).toEqual(read('stk', text));
});
