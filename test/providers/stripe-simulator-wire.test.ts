import {
  type RunningSimulator,
  SANDBOX,
  startSimulator,
} from '../../providers/stripe/simulator.ts';

/** What Stripe's simulator takes and refuses, byte by byte: as Stripe does, without a word less. */
type Body = Readonly<Record<string, unknown>>;
type Heard = { readonly status: number; readonly body: Body };

let simulator: RunningSimulator;
beforeEach(async () => {
  simulator = await startSimulator({ port: 0, settings: { webhook: 'never' } });
});
afterEach(() => simulator.close());

const KEY = { authorization: `Bearer ${SANDBOX.credentials.secret_key}` };
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

async function ask(
  method: string,
  path: string,
  body?: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Heard> {
  const sent = body === undefined ? {} : { body };
  const init = { method, headers: { ...KEY, ...FORM, ...headers }, ...sent };
  const answer = await fetch(`${simulator.url}${path}`, init);
  return { status: answer.status, body: JSON.parse(await answer.text()) };
}
const ledgerOf = async (): Promise<{ intents: readonly Body[]; refunds: readonly Body[] }> =>
  JSON.parse(await (await fetch(`${simulator.url}/simulator/ledger`)).text());
const errorIn = ({ body }: Heard): Body => Object(body.error);
const text = (value: unknown) => String(value);

const GOOD =
  'automatic_payment_methods[enabled]=true&automatic_payment_methods[allow_redirects]=never';
const SALE = `amount=5000&currency=usd&payment_method=pm_card_visa&${GOOD}`;
const pay = async (more = 'confirm=true', sale = SALE) =>
  await ask('POST', '/v1/payment_intents', `${sale}&${more}`);
const paid = async () => text((await pay()).body.id);

describe('a parameter', () => {
  // biome-ignore format: table, one request per line
  it.each([
    ['unknown', 'foo=1', 'parameter_unknown', 'foo', /^Received unknown parameter: foo/],
    ['unknown, of two', 'foo=1&bar[baz]=2', 'parameter_unknown', 'foo', /^Received unknown parameters: foo, bar/],
    ['unknown within another', 'automatic_payment_methods[on]=1', 'parameter_unknown', 'automatic_payment_methods[on]', /unknown parameter/],
    ['that Stripe has, and the simulator has not', 'customer=cus_1', 'parameter_unknown', 'customer', /The simulator takes here: amount/],
    ['a token within the call', 'payment_method_data[type]=card&payment_method_data[card][token]=tok_visa', 'parameter_unknown', 'payment_method_data', /unknown parameter/],
    ['a key of the prototype', '__proto__=1', 'parameter_unknown', '__proto__', /unknown parameter/],
    ['no boolean', 'confirm=yes', undefined, 'confirm', /^Invalid boolean: yes$/],
    ['a shouted boolean', 'confirm=TRUE', undefined, 'confirm', /^Invalid boolean/],
    ['another word', 'capture_method=later', undefined, 'capture_method', /must be one of automatic, automatic_async, manual/],
    ['empty', 'return_url=', 'parameter_invalid_empty', 'return_url', /empty string/],
    ['a text for an object', 'metadata=x', undefined, 'metadata', /Invalid object/],
    ['an object for a text', 'description[a]=x', undefined, 'description', /Invalid string/],
    ['a word for a list', 'expand=latest_charge', undefined, 'expand', /Invalid array/],
    ['nothing to expand', 'expand[]=customer', undefined, 'expand', /^This property cannot be expanded \(customer\)\.$/],
  ] as const)('%s is refused: %s', async (_what, more, code, param, message) => {
    const heard = await pay(`${more}${more.startsWith('confirm') ? '' : '&confirm=true'}`);
    const error = errorIn(heard);
    expect([heard.status, error.type, error.code, error.param]).toEqual([
      400, 'invalid_request_error', code, param,
    ]);
    expect(error.message).toMatch(message);
    expect((await ledgerOf()).intents).toEqual([]);
  });

  // biome-ignore format: table, one amount per line
  it.each([
    ['amount=0&currency=usd', 'parameter_invalid_integer', /greater than or equal to 1/],
    ['amount=1.5&currency=usd', 'parameter_invalid_integer', /Invalid integer/],
    ['amount=1e4&currency=usd', 'parameter_invalid_integer', /Invalid integer/],
    ['amount=49&currency=usd', 'amount_too_small', /at least/],
    ['amount=29&currency=gbp', 'amount_too_small', /at least/],
    ['amount=49&currency=jpy', 'amount_too_small', /at least/],
    ['amount=1000&currency=kes', 'amount_too_small', /convert to at least 50 cents/],
    ['amount=100000000&currency=usd', 'amount_too_large', /no more than/],
    ['amount=50&currency=usd', null, null],
    ['amount=30&currency=gbp', null, null],
    ['amount=10000&currency=kes', null, null],
    ['amount=99999999&currency=usd', null, null],
  ] as const)('%s is answered %s', async (sale, code, message) => {
    const heard = await pay('confirm=true', `${sale}&payment_method=pm_card_visa&${GOOD}`);
    const error = errorIn(heard);
    if (code === null) expect([heard.status, heard.body.status]).toEqual([200, 'succeeded']);
    else expect([heard.status, error.code, error.param]).toEqual([400, code, 'amount']);
    if (message !== null) expect(error.message).toMatch(message);
  });

  // biome-ignore format: table, one spelling per line
  it.each([
    ['confirm=true', 'succeeded'],
    // So Python's and .NET's libraries sent it, and v1 takes it.
    ['confirm=True', 'succeeded'],
    ['confirm=False', 'requires_confirmation'],
    ['confirm=false', 'requires_confirmation'],
  ])('%s leaves the PaymentIntent %s', async (more, status) => {
    expect((await pay(more)).body.status).toBe(status);
  });

  // biome-ignore format: table, one request per line
  it.each([
    ['capture', 'amount_to_capture=0', 'amount_to_capture'],
    ['capture', 'amount=1', 'amount'],
    ['cancel', 'cancellation_reason=bored', 'cancellation_reason'],
    ['cancel', 'reason=duplicate', 'reason'],
    ['confirm', 'confirm=true', 'confirm'],
  ])('of %s, %s, is refused, and nothing is done', async (call, more, param) => {
    const isToConfirm = call === 'confirm';
    const held = await pay(isToConfirm ? 'confirm=false' : 'confirm=true&capture_method=manual');
    const heard = await ask('POST', `/v1/payment_intents/${text(held.body.id)}/${call}`, more);
    expect([heard.status, errorIn(heard).param]).toEqual([400, param]);
    const now = await ask('GET', `/v1/payment_intents/${text(held.body.id)}`);
    expect(now.body.status).toBe(held.body.status);
  });

  // biome-ignore format: table, one request per line
  it.each([
    ['amount=0', 'amount'],
    ['amount=-5', 'amount'],
    ['amount=5001', 'amount'],
    ['reason=bored', 'reason'],
    ['charge=ch_1', 'charge'],
  ])('of a refund, %s, is refused, and nothing is given back', async (more, param) => {
    const heard = await ask('POST', '/v1/refunds', `payment_intent=${await paid()}&${more}`);
    expect([heard.status, errorIn(heard).param]).toEqual([400, param]);
    expect((await ledgerOf()).refunds).toEqual([]);
  });

  it('of the address is checked as well', async () => {
    const path = `/v1/payment_intents/${await paid()}`;
    const heard = await ask('GET', `${path}?limit=1`);
    expect([heard.status, errorIn(heard).code]).toEqual([400, 'parameter_unknown']);
  });

  it('has to come as a form', async () => {
    const json = { 'content-type': 'application/json' };
    const heard = await ask('POST', '/v1/payment_intents', '{"amount": 5000}', json);
    expect([heard.status, errorIn(heard).message]).toEqual([
      400,
      expect.stringContaining('application/x-www-form-urlencoded'),
    ]);
  });
});

it('where the payer may be led away asks for return_url', async () => {
  const sale = 'amount=5000&currency=usd&payment_method=pm_card_visa';
  const heard = await pay('confirm=true', sale);
  expect([heard.status, errorIn(heard).message]).toEqual([
    400,
    expect.stringContaining('return_url'),
  ]);
  expect((await ledgerOf()).intents).toEqual([]);
  const led = await pay('confirm=true&return_url=https://shop.example.test/', sale);
  expect(led.body.status).toBe('succeeded');
});

// biome-ignore format: table, one path per line
it.each([
  ['GET', '/v1/customers'],
  ['POST', '/v1/charges'],
  ['DELETE', '/v1/payment_intents/pi_1'],
  ['PUT', '/v1/refunds'],
  ['GET', '/v1/payment_intents/'],
  ['GET', '/v1/Payment_Intents'],
  ['GET', '/v2/core/events'],
  ['GET', '/'],
])('%s %s is no URL of Stripe', async (method, path) => {
  const heard = await ask(method, path);
  const error = errorIn(heard);
  expect([heard.status, error.type]).toEqual([404, 'invalid_request_error']);
  expect(error.message).toContain(`Unrecognized request URL (${method}: ${path}).`);
});

describe('a list', () => {
  const listed = async (query: string, path = '/v1/payment_intents') => {
    const { status, body } = await ask('GET', `${path}?${query}`);
    const data: readonly Body[] = Array.isArray(body.data) ? body.data : [];
    return { status, body, ids: data.map(({ id }) => text(id)) };
  };
  const payTimes = async (count: number) => {
    const ids: string[] = [];
    for (let made = 0; made < count; made += 1) ids.unshift(await paid());
    return ids;
  };

  it('goes page by page, forwards and back, and says whether there is more', async () => {
    const [e, d, c, b, a] = await payTimes(5);
    // biome-ignore format: table, one page per line
    const pages = [
      ['limit=2', [e, d], true],
      [`limit=2&starting_after=${d}`, [c, b], true],
      [`limit=2&starting_after=${b}`, [a], false],
      [`limit=2&starting_after=${a}`, [], false],
      [`limit=2&ending_before=${c}`, [e, d], false],
      [`limit=2&ending_before=${a}`, [c, b], true],
      ['', [e, d, c, b, a], false],
    ] as const;
    for (const [query, ids, hasMore] of pages) {
      const page = await listed(query);
      expect([query, page.ids, page.body.has_more]).toEqual([query, ids, hasMore]);
    }
  });

  it('holds ten unless told otherwise', async () => {
    await payTimes(11);
    const page = await listed('');
    expect([page.ids.length, page.body.has_more]).toEqual([10, true]);
  });

  it('of one payment’s refunds pages through those alone', async () => {
    const [mine, other] = [await paid(), await paid()];
    const refund = async (of: string) =>
      text((await ask('POST', '/v1/refunds', `payment_intent=${of}&amount=100`)).body.id);
    const first = await refund(mine);
    const foreign = await refund(other);
    const second = await refund(mine);
    const of = `payment_intent=${mine}&limit=1`;
    const page = await listed(of, '/v1/refunds');
    expect([page.ids, page.body.has_more]).toEqual([[second], true]);
    for (const after of [second, foreign]) {
      const next = await listed(`${of}&starting_after=${after}`, '/v1/refunds');
      expect([next.ids, next.body.has_more]).toEqual([[first], false]);
    }
  });

  it('that was searched for has pages as well', async () => {
    for (let made = 0; made < 3; made += 1) await pay('confirm=true&metadata[order]=7');
    const query = `limit=2&query=${encodeURIComponent("metadata['order']:'7'")}`;
    const first = await listed(query, '/v1/payment_intents/search');
    expect([first.ids.length, first.body.has_more]).toEqual([2, true]);
    const next = `${query}&page=${text(first.body.next_page)}`;
    const second = await listed(next, '/v1/payment_intents/search');
    const { has_more, next_page } = second.body;
    expect([second.ids.length, has_more, next_page]).toEqual([1, false, null]);
    expect(new Set([...first.ids, ...second.ids]).size).toBe(3);
  });

  // biome-ignore format: table, one query per line
  it.each([
    ['limit=0', 'limit', /greater than or equal to 1/],
    ['limit=101', 'limit', /less than or equal to 100/],
    ['limit=all', 'limit', /Invalid integer: all/],
    ['starting_after=pi_of_nobody', 'starting_after', /No such payment_intent/],
    ['ending_before=pi_of_nobody', 'ending_before', /No such payment_intent/],
    ['starting_after=a&ending_before=b', undefined, /Please pass in only one/],
    ['page=2', 'page', /unknown parameter/],
    ['expand[]=latest_charge', 'expand', /try expanding 'data\.latest_charge' instead/],
  ] as const)('by %s is refused', async (query, param, message) => {
    const { status, body } = await ask('GET', `/v1/payment_intents?${query}`);
    const error = errorIn({ status, body });
    expect([status, error.type, error.param]).toEqual([400, 'invalid_request_error', param]);
    expect(error.message).toMatch(message);
  });
});

describe('what is asked for whole', () => {
  const EXPAND = 'expand[]=latest_charge';
  it('is the charge of a PaymentIntent, wherever it is told', async () => {
    const made = await pay(`confirm=true&${EXPAND}`);
    const charge = { object: 'charge', status: 'succeeded', amount_captured: 5_000 };
    expect(made.body.latest_charge).toMatchObject({ ...charge, payment_intent: made.body.id });
    const path = `/v1/payment_intents/${text(made.body.id)}`;
    expect((await ask('GET', path)).body.latest_charge).toMatch(/^ch_/);
    expect((await ask('GET', `${path}?${EXPAND}`)).body.latest_charge).toMatchObject(charge);
    const list = await ask('GET', '/v1/payment_intents?expand[0]=data.latest_charge');
    expect(list.body.data).toMatchObject([{ latest_charge: charge }]);
  });

  it('is the charge and the PaymentIntent of a refund', async () => {
    const of = await paid();
    const whole = 'expand[]=charge&expand[]=payment_intent';
    const { body } = await ask('POST', '/v1/refunds', `payment_intent=${of}&${whole}`);
    expect(body).toMatchObject({
      charge: { object: 'charge', refunded: true, amount_refunded: 5_000 },
      payment_intent: { object: 'payment_intent', id: of },
    });
  });
});

describe('a decline', () => {
  // biome-ignore format: table, one card per line
  it.each([
    ['visa_chargeDeclined', 'card_declined', 'generic_decline', 'try_again_later', 'Your card was declined.'],
    ['visa_chargeDeclinedInsufficientFunds', 'card_declined', 'insufficient_funds', 'try_again_later', 'Your card has insufficient funds.'],
    ['visa_chargeDeclinedStolenCard', 'card_declined', 'stolen_card', 'do_not_try_again', 'Your card was declined.'],
    ['chargeDeclinedExpiredCard', 'expired_card', 'expired_card', undefined, 'Your card has expired.'],
    ['chargeDeclinedIncorrectCvc', 'incorrect_cvc', 'incorrect_cvc', undefined, "Your card's security code is incorrect."],
    ['chargeDeclinedProcessingError', 'processing_error', 'processing_error', undefined, 'An error occurred while processing your card. Try again in a little bit.'],
  ])('of pm_card_%s carries all that Stripe tells', async (card, code, decline_code, advice_code, message) => {
    const heard = await pay('confirm=true', SALE.replace('pm_card_visa', `pm_card_${card}`));
    const error = errorIn(heard);
    const advice = advice_code === undefined ? {} : { advice_code };
    const told = { type: 'card_error', code, decline_code, message, ...advice };
    expect([heard.status, error]).toEqual([402, expect.objectContaining(told)]);
    expect(error.doc_url).toContain(code.replaceAll('_', '-'));
    const intent: Body = Object(error.payment_intent);
    expect(intent).toMatchObject({
      status: 'requires_payment_method',
      latest_charge: error.charge,
      last_payment_error: { ...told, charge: error.charge },
    });
    expect(error.charge).toMatch(/^ch_/);
    const path = `/v1/payment_intents/${text(intent.id)}?expand[]=latest_charge`;
    const charge = { status: 'failed', paid: false, failure_code: code, failure_message: message };
    expect((await ask('GET', path)).body.latest_charge).toMatchObject(charge);
  });

  it('by 3-D Secure names no charge: nobody was charged', async () => {
    const sale = SALE.replace('pm_card_visa', 'pm_card_authenticationRequired');
    const { body } = await pay('confirm=true&return_url=https://shop.example.test/', sale);
    const order = { method: 'POST', body: '{"passed": false}' };
    await fetch(`${simulator.url}/simulator/3ds/${text(body.id)}`, order);
    expect((await ask('GET', `/v1/payment_intents/${text(body.id)}`)).body).toMatchObject({
      status: 'requires_payment_method',
      latest_charge: null,
      last_payment_error: { code: 'payment_intent_authentication_failure' },
    });
  });
});

describe('a token', () => {
  const make = (body: string) => ask('POST', '/v1/payment_methods', body);

  it('is made a PaymentMethod that pays, and does what its card does', async () => {
    const made = await make('type=card&card[token]=tok_visa');
    expect(made.body).toMatchObject({ object: 'payment_method', type: 'card' });
    const [good, bad] = [
      made.body.id,
      (await make('type=card&card[token]=tok_chargeDeclined')).body.id,
    ];
    expect((await pay('confirm=true', SALE.replace('pm_card_visa', text(good)))).status).toBe(200);
    expect((await pay('confirm=true', SALE.replace('pm_card_visa', text(bad)))).status).toBe(402);
  });

  // biome-ignore format: table, one request per line
  it.each([
    ['card[token]=tok_visa', 'parameter_missing', 'type'],
    ['type=card', 'parameter_missing', 'card'],
    ['type=card&card[token]=tok_of_nobody', 'resource_missing', 'card[token]'],
    ['type=card&card[token]=pm_card_visa', 'resource_missing', 'card[token]'],
    ['type=mpesa&card[token]=tok_visa', undefined, 'type'],
    ['type=card&card[number]=4242424242424242', 'card_number_not_allowed', undefined],
    ['type=card&card[token]=tok_visa&customer=cus_1', 'parameter_unknown', 'customer'],
  ])('by %s is refused', async (body, code, param) => {
    const heard = await make(body);
    const error = errorIn(heard);
    expect([heard.status, error.code, error.param]).toEqual([400, code, param]);
  });

  it('is no PaymentMethod by itself', async () => {
    const error = errorIn(await pay('confirm=true', SALE.replace('pm_card_visa', 'tok_visa')));
    expect([error.param, error.message]).toEqual([
      'payment_method',
      expect.stringContaining('A token may not be passed in as a PaymentMethod'),
    ]);
  });
});

it('a PaymentIntent in another state is told as it is', async () => {
  const id = await paid();
  const error = errorIn(await ask('POST', `/v1/payment_intents/${id}/cancel`));
  expect(error).toMatchObject({
    code: 'payment_intent_unexpected_state',
    payment_intent: { id, status: 'succeeded' },
  });
});
