import { mpesa } from '../../providers/mpesa/index.ts';

const ID = 'ws_CO_071020261015032700000101';
type Item = { readonly Name: string; readonly Value?: string | number };

/** A callback in the shape of fixtures/stk-callback-*.json. */
function callback(code: string | number, items?: readonly Item[], id = ID): Buffer {
  const metadata = items === undefined ? {} : { CallbackMetadata: { Item: items } };
  const stkCallback = {
    MerchantRequestID: '5c1a-4f0e-9b7d-3a2f41cdaf2b501234',
    CheckoutRequestID: id,
    ResultCode: code,
    ResultDesc: 'in Daraja’s words',
    ...metadata,
  };
  return Buffer.from(JSON.stringify({ Body: { stkCallback } }));
}

function read(body: Buffer) {
  const told = mpesa.webhook.translate(body);
  if (told.kind !== 'event') throw new Error(`not an event but ${told.kind}`);
  return told;
}
const eventOf = (...given: Parameters<typeof callback>) => read(callback(...given)).event;
const keyOf = (...given: Parameters<typeof callback>) => read(callback(...given)).eventKey;

const paid = (amount: string | number, receipt = 'UJ7A1B2C3D'): readonly Item[] => [
  { Name: 'Amount', Value: amount },
  { Name: 'MpesaReceiptNumber', Value: receipt },
];

// biome-ignore format: table, one code per line: code, kind, failure
const RESULT_CODES = [
  ['0', 'succeeded', null],
  ['1', 'declined', 'insufficient_funds'],
  ['2', 'declined', 'amount_refused'],
  ['3', 'declined', 'amount_refused'],
  ['4', 'declined', 'payer_limit'],
  ['8', 'declined', 'payer_limit'],
  ['11', 'declined', 'misconfigured'],
  ['17', 'declined', 'repeated_too_soon'],
  ['21', 'declined', 'misconfigured'],
  ['26', 'declined', 'provider_unavailable'],
  ['1001', 'declined', 'payer_busy'],
  ['1019', 'declined', 'prompt_expired'],
  ['1025', 'declined', 'provider_unavailable'],
  ['1031', 'canceled', 'payer_canceled'],
  ['1032', 'canceled', 'payer_canceled'],
  ['1037', 'declined', 'payer_unreachable'],
  ['2001', 'declined', 'wrong_pin'],
  ['2006', 'declined', 'misconfigured'],
  ['2028', 'declined', 'misconfigured'],
  ['2040', 'declined', 'misconfigured'],
  ['4999', 'pending', null],
  ['8006', 'declined', 'declined'],
  ['9999', 'declined', 'provider_unavailable'],
  ['E3008', 'declined', 'declined'],
  ['SFC_IC0003', 'declined', 'misconfigured'],
] as const;

it.each(RESULT_CODES)('result code %s is %s (%s)', (code, kind, failureCode) => {
  const event = eventOf(code);
  expect(event).toMatchObject({ kind, providerPaymentId: ID, providerCode: code });
  const told = 'failure' in event ? event.failure : null;
  expect(told).toEqual(
    failureCode === null ? null : expect.objectContaining({ code: failureCode }),
  );
});

it('concludes nothing from any other code, however it is spelled', () => {
  const known = new Set<string>(RESULT_CODES.map(([code]) => code));
  const numbers = Array.from({ length: 10_000 }, (_, code) => String(code));
  const odd = ['-1', '00', '0.0', '0 0', 'e3008', 'toString', '__proto__', 'constructor'];
  for (const code of [...numbers, ...odd]) {
    if (!known.has(code)) expect([code, eventOf(code).kind]).toEqual([code, 'unknown']);
  }
});

it.each([0, 1, 1032, 4999])('reads %d the same as a number and as text', (code) => {
  expect(eventOf(code)).toEqual(eventOf(String(code)));
  expect(keyOf(code)).toBe(keyOf(String(code)));
});

// biome-ignore format: table, one amount per line: as Daraja says it, in cents
const AMOUNTS = [
  [1, 100],
  [1.5, 150],
  ['250000', 25_000_000],
  ['1.00', 100],
  ['1,000', 0],
  [0, 0],
  [-5, 0],
  [0.001, 0],
] as const;

it.each(AMOUNTS)('reads the amount %j as %d cents', (amount, amountMinor) => {
  expect(eventOf(0, paid(amount))).toMatchObject({ money: { amountMinor, currency: 'KES' } });
});

it.each([' 0', '0\n', ' 1032 '])('reads the code %j without the blanks around it', (code) => {
  expect(eventOf(code)).toEqual(eventOf(code.trim()));
  expect(keyOf(code)).toBe(keyOf(code.trim()));
});

it.each(['', ' '])('an amount that is told as %j is none', (amount) => {
  expect(eventOf(0, paid(amount))).toMatchObject({ kind: 'succeeded', money: null });
});

it('reads items by name, in any order and among others', () => {
  const items = [{ Name: 'Balance' }, { Name: 'New', Value: 7 }, ...paid(7, 'R1').toReversed()];
  expect(eventOf(0, items)).toMatchObject({
    receipt: 'R1',
    money: { amountMinor: 700, currency: 'KES' },
  });
});

it.each([
  ['no items', undefined],
  ['an empty list', []],
  ['items without values', [{ Name: 'Amount' }, { Name: 'MpesaReceiptNumber' }]],
] as const)('a success with %s names no money and no receipt', (_what, items) => {
  expect(eventOf(0, items)).toMatchObject({ kind: 'succeeded', receipt: null, money: null });
});

it.each(['', ' '])('a receipt that is told as %j is none', (receipt) => {
  expect(eventOf(0, paid(100, receipt))).toMatchObject({ kind: 'succeeded', receipt: null });
});

it('has another key for another payment, result, receipt or amount', () => {
  const keys = [
    keyOf(0, paid(100)),
    keyOf(0, paid(101)),
    keyOf(0, paid(100, 'UJ7A1B2C3E')),
    keyOf(0, paid(100), 'ws_CO_071020261015032700000102'),
    keyOf(0),
    keyOf(1032),
    keyOf(1037),
  ];
  expect(new Set(keys).size).toBe(keys.length);
  expect(keyOf(0, paid(100))).toBe(keys[0]);
});

it('tells nothing of the payer in its key', () => {
  expect(keyOf(0, paid(100))).toMatch(/^[0-9a-f]{32}$/);
});

it.each([
  ['no stkCallback', { Body: {} }],
  ['no id', { Body: { stkCallback: { ResultCode: 0 } } }],
  ['an empty id', { Body: { stkCallback: { CheckoutRequestID: '', ResultCode: 0 } } }],
  ['no result', { Body: { stkCallback: { CheckoutRequestID: ID } } }],
  [
    'a result that is a list',
    { Body: { stkCallback: { CheckoutRequestID: ID, ResultCode: [0] } } },
  ],
])('finds a callback with %s malformed, without quoting it', (_what, body) => {
  const told = mpesa.webhook.translate(Buffer.from(JSON.stringify(body)));
  expect(told.kind).toBe('malformed');
  expect(JSON.stringify(told)).not.toContain(ID);
});
