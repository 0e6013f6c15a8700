import {
  BASIC,
  closeAll,
  type Desk,
  idOf,
  openDesk,
  openReceiver,
  PUSH,
  PUSH_PATH,
  QUERY_PATH,
  readFixture,
  send,
  shapeOf,
} from './mpesa-simulator-harness.ts';

/** What Daraja refuses and how it says so: word for word as its fixtures have it. */
let desk: Desk;
beforeEach(async () => {
  desk = await openDesk({ settings: { answer_mode: 'manual' } });
});
afterEach(closeAll);

const wrongApp = { authorization: `Basic ${btoa('sandbox-consumer-key:wrong')}` };
const wrongToken = { authorization: 'Bearer of-another-day' };

// biome-ignore format: table, one refusal per line
const REFUSALS = [
  ['oauth-error-bad-auth-scheme', () => desk.grant({ authorization: 'Digest x' })],
  ['oauth-error-bad-grant-type', () => desk.grant({ authorization: BASIC }, 'grant_type=wrong')],
  ['oauth-error-wrong-credentials', () => desk.grant(wrongApp)],
  ['stk-push-error-invalid-token', () => desk.ask('POST', PUSH_PATH, PUSH, wrongToken)],
  ['stk-push-error-invalid-field', () => desk.push({ PhoneNumber: '0700000099' })],
  ['stk-push-error-invalid-callback-url', () => desk.push({ CallBackURL: 'nowhere' })],
  ['stk-push-error-merchant-missing', () => desk.push({ BusinessShortCode: '999999' })],
  ['stk-push-error-wrong-credentials', () => desk.push({ Password: 'd3Jvbmc=' })],
  ['stk-push-error-subscriber-locked', async () => { await desk.push(); return desk.push(); }],
  ['stk-query-unknown-400', () => desk.query('ws_CO_0101202600000000700000000')],
] as const;

describe('a refusal', () => {
  it.each(REFUSALS)('is that of %s', async (name, refuse) => {
    const { http, body } = readFixture(name);
    const heard = await refuse();
    expect(heard.status).toBe(http.status);
    if (body === null) expect(heard.text).toBe('');
    else expect(heard.body).toEqual({ ...Object(body), requestId: expect.any(String) });
  });

  // biome-ignore format: table, one call per line
  it.each([
    ['GET', PUSH_PATH, 405, '405.001'],
    ['PUT', QUERY_PATH, 405, '405.001'],
    ['POST', '/oauth/v1/generate', 405, '405.001'],
    ['POST', '/mpesa/stkpush/v1/another', 404, '404.001.01'],
    ['POST', '/mpesa/stkpushquery/v1/processrequest', 404, '404.001.01'],
    ['GET', '/mpesa/stkpush/v1/', 404, '404.001.01'],
    ['POST', '/mpesa/b2c/v3/paymentrequest', 404, '404.001.01'],
    ['GET', '/oauth/v2/generate', 404, '404.001.01'],
  ] as const)('of %s %s has status %i', async (method, path, status, errorCode) => {
    const heard = await desk.ask(method, path);
    expect([heard.status, heard.body.errorCode]).toEqual([status, errorCode]);
  });

  // biome-ignore format: table, one body per line
  it.each([
    ['half an object', '{"BusinessShortCode": ', 'application/json', '400.002.05'],
    ['a list', '[]', 'application/json', '400.002.05'],
    ['too much', JSON.stringify({ ...PUSH, more: 'x'.repeat(70_000) }), 'application/json', '400.002.05'],
    ['an undeclared one', JSON.stringify(PUSH), 'text/plain', '400.002.02'],
    ['a missing field', '{}', 'application/json', '400.002.02'],
  ] as const)('of a body that is %s tells what is wrong', async (_what, body, type, errorCode) => {
    for (const path of [PUSH_PATH, QUERY_PATH]) {
      const heard = await desk.ask('POST', path, body, { 'content-type': type });
      expect([path, heard.status, heard.body.errorCode]).toEqual([path, 400, errorCode]);
    }
  });

  it('of a token comes before that of the body', async () => {
    expect((await desk.ask('POST', PUSH_PATH, '{', wrongToken)).body.errorCode).toBe('404.001.03');
    const bare = await send(`${desk.url}${PUSH_PATH}`, 'POST', PUSH);
    expect([bare.status, bare.body.errorCode]).toEqual([404, '404.001.04']);
  });
});

describe('a push', () => {
  const URLS = {
    good: [
      'http://127.0.0.1:3000/api/v1/webhooks/stk/0f',
      'https://shop.example.test/stk?a=b',
      'https://shop.example.test/api/mpesa/0f',
    ],
    bad: [
      'https://M-PESA.example.test/stk',
      'https://shop.example.test/stk?from=Safaricom',
      'https://safaricom.example.test/stk',
      'https://shop.example.test/hook.exe',
      'https://shop.example.test/aexec0',
      'https://shop.example.test/stk?cmd=1',
      'https://mysql.example.test/stk',
      'https://shop.example.test/stk#query',
      'https://a1b2.ngrok.io/stk',
      'https://mockbin.org/stk',
      'https://requestbin.com/stk',
      'https://Shop.example.test/stk',
      'ftp://shop.example.test/stk',
    ],
  };
  // biome-ignore format: table, one pair per line
  it.each([
    ['CustomerPayBillOnline', '174379', 200, undefined],
    ['CustomerBuyGoodsOnline', '600100', 200, undefined],
    ['CustomerPayBillOnline', '600100', 400, 'Bad Request - Invalid PartyB'],
    ['CustomerBuyGoodsOnline', '174379', 400, 'Bad Request - Invalid PartyB'],
    ['CustomerMerchantPayment', '174379', 400, 'Bad Request - Invalid TransactionType'],
  ])('of the type %s to %s is answered %i', async (TransactionType, PartyB, status, said) => {
    const heard = await desk.push({ TransactionType, PartyB });
    expect([heard.status, heard.body.errorMessage]).toEqual([status, said]);
  });

  it.each(URLS.good)('takes the callback address %s', async (CallBackURL) => {
    expect((await desk.push({ CallBackURL })).status).toBe(200);
  });
  it.each(URLS.bad)('refuses the callback address %s', async (CallBackURL) => {
    const { status, body } = await desk.push({ CallBackURL });
    expect([status, body.errorMessage]).toEqual([400, 'Bad Request - Invalid CallBackURL']);
  });

  // biome-ignore format: table, one push per line
  it.each([
    [{ AccountReference: 'ORDER-1/A.B_' }, null, null],
    [{ AccountReference: 'ORDER 1' }, null, null],
    [{ AccountReference: 'ORDER@1' }, 'AccountReference', null],
    [{ AccountReference: 'ORDER#1' }, 'AccountReference', null],
    [{ AccountReference: 'TEA&CO' }, 'AccountReference', null],
    [{ AccountReference: 'ORDER–1' }, 'AccountReference', null],
    [{ AccountReference: 'ORDER-1234567' }, 'AccountReference', null],
    [{ AccountReference: '' }, 'AccountReference', 'AccountReference'],
    [{ AccountReference: '   ' }, 'AccountReference', 'AccountReference'],
    [{ AccountReference: '-' }, 'AccountReference', null],
    [{ TransactionDesc: '' }, 'Remarks', 'Remarks'],
    [{ TransactionDesc: 'Tea & bread' }, 'TransactionDesc', null],
    [{ TransactionDesc: 'Fourteen chars' }, 'TransactionDesc', null],
    [{ CallBackURL: 'https://shop.example.test/mpesa' }, 'CallBackURL', null],
    [{ CallBackURL: 'https://mpesa.example.test/stk' }, 'CallBackURL', 'CallBackURL'],
    [{ Amount: 0 }, 'Amount', 'Amount'],
    [{ Amount: 1.5 }, 'Amount', 'Amount'],
    [{ Amount: 250_001 }, 'Amount', 'Amount'],
    [{ PartyB: '600100' }, 'PartyB', 'PartyB'],
    [{ TransactionType: 'CustomerBuyGoodsOnline', PartyB: '600100' }, null, null],
    [{ Timestamp: '2026-11-24' }, 'Timestamp', 'Timestamp'],
  ] as const)('of %j: strict refuses %s, observed %s', async (changes, strict, observed) => {
    for (const [strictness, field] of [['observed', observed], ['strict', strict]] as const) {
      await desk.control('PATCH', 'settings', { strictness });
      const { status, body } = await desk.push({ ...changes });
      const refusal = field === null ? [200, undefined] : [400, `Bad Request - Invalid ${field}`];
      expect([strictness, status, body.errorMessage]).toEqual([strictness, ...refusal]);
      const { prompts } = await desk.ledger();
      const path = `prompts/${prompts.at(-1)?.checkout_request_id}/answer`;
      await desk.control('POST', path, { answer: 'cancel' });
    }
  });

  // biome-ignore format: table, one spelling per line: what is documented, and what was seen
  it.each([
    [{ BusinessShortCode: 174379 }, null],
    [{ Amount: '100' }, null],
    [{ Amount: '100.00' }, 'Amount'],
    [{ PhoneNumber: 254_700_000_099, PartyA: 254_700_000_099 }, null],
    [{ PhoneNumber: '254110000099', PartyA: '254110000099' }, null],
    [{ PartyA: '254711000000' }, null],
    [{ PhoneNumber: '+254700000099' }, 'PhoneNumber'],
    [{ PhoneNumber: '0700000099' }, 'PhoneNumber'],
    [{ PhoneNumber: '700000099' }, 'PhoneNumber'],
    [{ AccountReference: 'ORDER-123456789' }, null],
    [{ TransactionDesc: 'Payment of order 12' }, null],
    [{ TransactionDesc: undefined }, 'Remarks'],
    [{ CallBackURL: 'https://shop.example.test/mpesa/stk' }, null],
    [{ CallBackURL: 'https://Shop.example.test/stk' }, 'CallBackURL'],
    [{ Unheard: 'of' }, null],
  ] as const)('of %j is by default taken, or refused by %s, as it was seen', async (changes, field) => {
    const { status, body } = await desk.push({ ...changes });
    const refusal = field === null ? [200, undefined] : [400, `Bad Request - Invalid ${field}`];
    expect([status, body.errorMessage]).toEqual(refusal);
  });

  it('is accepted in the form of its fixture, and told by a query in that of its own', async () => {
    const accepted = await desk.push();
    expect(accepted.status).toBe(200);
    expect(shapeOf(accepted.body)).toEqual(shapeOf(readFixture('stk-push-accepted').body));
    const id = idOf(accepted);
    await desk.control('POST', `prompts/${id}/answer`, { answer: 'approve' });
    const { http, body } = readFixture('stk-query-done-success');
    const told = await desk.query(id);
    const ids = { MerchantRequestID: accepted.body.MerchantRequestID, CheckoutRequestID: id };
    expect([told.status, told.body]).toEqual([http.status, { ...Object(body), ...ids }]);
  });
});

describe('a query', () => {
  it('says "not yet" in three forms, one after another in each simulator', async () => {
    const names = [
      'stk-query-pending-500',
      'stk-query-pending-200-errorcode',
      'stk-query-pending-4999',
    ];
    const expected = names.map((name) => {
      const { http, body } = readFixture(name);
      return [http.status, shapeOf(body)];
    });
    const other = await openDesk({ settings: { answer_mode: 'manual' } });
    for (const one of [desk, other]) {
      const id = idOf(await one.push());
      const heard = [await one.query(id), await one.query(id), await one.query(id)];
      expect(heard.map(({ status, body }) => [status, shapeOf(body)])).toEqual(expected);
    }
  });

  it.each(['500', '200', '4999'])('keeps to the form %s when told to', async (pending_shape) => {
    await desk.control('PATCH', 'settings', { pending_shape });
    const id = idOf(await desk.push());
    const [first, second] = [await desk.query(id), await desk.query(id)];
    expect(shapeOf(first.body)).toEqual(shapeOf(second.body));
    expect(first.status).toBe(pending_shape === '500' ? 500 : 200);
  });

  it('keeps saying so after the result while it lags', async () => {
    await desk.control('PATCH', 'settings', { query_lag_ms: 60_000, pending_shape: '4999' });
    const id = idOf(await desk.push());
    await desk.control('POST', `prompts/${id}/answer`, { answer: 'approve' });
    expect((await desk.query(id)).body.ResultCode).toBe('4999');
    await desk.control('PATCH', 'settings', { query_lag_ms: 0 });
    expect((await desk.query(id)).body.ResultCode).toBe('0');
  });

  it('contradicts the payer and the callback when told to, and the ledger stays true', async () => {
    const receiver = await openReceiver();
    const id = idOf(await desk.push({ CallBackURL: receiver.url }));
    await desk.control('PATCH', 'settings', { query_code: '1032' });
    expect((await desk.query(id)).body).toEqual({
      ...Object(readFixture('stk-query-done-cancelled-1032').body),
      MerchantRequestID: expect.any(String),
      CheckoutRequestID: id,
    });
    await desk.control('POST', `prompts/${id}/answer`, { answer: 'approve' });
    expect(await receiver.take(1)).toMatchObject([{ ResultCode: 0 }]);
    expect((await desk.query(id)).body.ResultCode).toBe('1032');
    expect((await desk.ledger()).charges).toHaveLength(1);
    await desk.control('PATCH', 'settings', { query_code: null });
    expect((await desk.query(id)).body.ResultCode).toBe('0');
  });

  it('is counted by each simulator for itself, and refused above the rate', async () => {
    const settings = { answer_mode: 'manual', query_rate: { count: 2, per_ms: 60_000 } };
    const both = [await openDesk({ settings }), await openDesk({ settings })];
    const { http, body } = readFixture('error-spike-arrest-apigee');
    for (const one of both) {
      const id = idOf(await one.push());
      const heard = [await one.query(id), await one.query(id), await one.query(id)];
      const statuses = heard.map(({ status }) => status);
      expect(statuses).toEqual([500, 200, http.status]);
      expect(heard[2]?.body).toEqual(body);
    }
  });
});
