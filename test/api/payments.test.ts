import { nextActionOf } from '../../api/payments/next-action.ts';
import { makeApiKey } from '../../db/api-key.ts';
import { ensureApiKey } from '../../db/merchants.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import type { UpdateAnswer } from '../../temporal/updates.ts';
import { MERCHANT, makeOutcome, recordEvent, storePaymentIn } from '../factories.ts';
import { openTestApi, type Send, type TestApi } from './server.ts';
import { takePaymentsIn } from './takers.ts';

/** Creating payments, and what a merchant may ask of one. */
let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
  api.engine.takePayment = takePaymentsIn(api.pool);
});
afterEach(() => api.close());

const MPESA = {
  provider: 'mpesa',
  amount: 10_000,
  currency: 'KES',
  customer: { phone: '0712345678' },
};
const CARD = '4242 4242 4242 4242';
const create = (body: object, key: string, send: Send = api.send) =>
  send('POST', '/api/v1/payments', { body, headers: { 'idempotency-key': key } });
const store = (status: PaymentStatus, provider = 'cpay', captureMethod = 'manual' as const) =>
  storePaymentIn(api.pool, status, { provider, captureMethod });
const ask = (id: string, what: string, body?: object) =>
  api.send('POST', `/api/v1/payments/${id}/${what}`, body === undefined ? {} : { body });

test('a payment answers 201 with its first state, and the phone masked', async () => {
  const answer = await create(MPESA, 'order-1');
  expect(answer).toMatchObject({
    status: 201,
    body: { object: 'payment', status: 'processing', amount: 10_000, idempotency_key: 'order-1' },
  });
  const next_action = { type: 'approve_on_phone', phone_masked: '+254•••••678' };
  expect(answer.body.next_action).toEqual(next_action);
  expect(answer.text).not.toContain('712345678');
  expect(answer.headers.get('location')).toBe(`/api/v1/payments/${answer.body.id}`);
  expect(JSON.stringify(api.engine.started)).not.toContain('712345678');
});

const CARD_PAYMENT = { provider: 'stripe', amount: 5_000, currency: 'USD', payment_method: 'pm_1' };
const PROMPT = { type: 'approve_on_phone', phone_masked: '+254•••••678' };
const BANK = { type: 'redirect_to_url', url: 'https://bank.example/' };
// biome-ignore format: table, one case per line
test.each([
  ['mpesa', 'processing', 'callback', null, PROMPT],
  ['mpesa', 'processing', 'provider_answer', null, null],
  ['mpesa', 'processing', 'lookup', null, null],
  ['mpesa', 'needs_review', 'review', null, null],
  ['mpesa', 'succeeded', null, null, null],
  ['cpay', 'processing', 'callback', null, null],
  ['stripe', 'requires_action', 'payer_action', BANK, BANK],
] as const)('at %s, %s and waiting for %s', (provider, status, waitingFor, nextAction, told) => {
  const phoneMasked = '+254•••••678';
  expect(nextActionOf({ provider, status, waitingFor, nextAction, phoneMasked })).toEqual(told);
});

// biome-ignore format: table, one case per line
test.each([
  ['not named', {}, 422, 'provider_limits', ['/return_url']],
  ['null: no payer is present', { return_url: null }, 201, undefined, undefined],
  ['an address', { return_url: 'https://shop.example/' }, 201, undefined, undefined],
  ['named with no card', { payment_method: undefined }, 422, 'provider_limits', ['/payment_method', '/return_url']],
])('a card at Stripe with a return_url that is %s', async (_what, part, status, code, pointers) => {
  const answer = await create({ ...CARD_PAYMENT, ...part }, 'order-1');
  const told = answer.body.errors?.map(({ pointer }: { pointer: string }) => pointer);
  expect([answer.status, answer.body.code, told]).toEqual([status, code, pointers]);
});

// biome-ignore format: table, one case per line
test.each([
  [{ ...MPESA, amount: 1_500 }, 'KES 15.00', 'the payer is asked for KES 15.00; for KES 1500 send 150000'],
  [MPESA, 'KES 100.00', null],
  [{ provider: 'cpay', amount: 1_500, currency: 'USD' }, 'USD 15.00', null],
])('%j is asked for as %s, with the hint %j', async (body, amount_text, hint) => {
  const answer = await create(body, 'order-1');
  expect(answer).toMatchObject({ status: 201, body: { amount_text } });
  expect(answer.headers.get('malipo-hint')).toBe(hint);
});

test('where real money moves nobody is given hints', async () => {
  await api.close();
  api = await openTestApi({ adapt: (deps) => ({ ...deps, environment: 'production' }) });
  const apiKey = makeApiKey('live');
  await ensureApiKey(api.pool, { merchantId: MERCHANT.id, apiKey });
  const headers = { 'idempotency-key': 'order-1', authorization: `Bearer ${apiKey}` };
  const body = { ...MPESA, amount: 1_500 };
  const answer = await api.send('POST', '/api/v1/payments', { body, headers });
  expect([answer.status, answer.headers.get('malipo-hint')]).toEqual([202, null]);
});

test('with Temporal away it answers 202, and the same key joins it later', async () => {
  api.engine.workflows = 'away';
  const first = await create(MPESA, 'order-1');
  expect(first).toMatchObject({ status: 202, body: { status: 'created' } });
  api.engine.workflows = 'runs';
  const again = await create({ ...MPESA, customer: { phone: '+254712345678' } }, '"order-1"');
  expect(again).toMatchObject({ status: 200, body: { id: first.body.id, status: 'processing' } });
  expect(again.headers.get('idempotency-replayed')).toBe('true');
});

test('the same key fifty times at once is one payment', async () => {
  const tries = Array.from({ length: 50 }, () => create(MPESA, 'order-1'));
  const answers = await Promise.all(tries);
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  expect(new Set(api.engine.started.map(({ workflowId }) => workflowId)).size).toBe(1);
});

test('another merchant’s same key is another payment, which each sees alone', async () => {
  const other = await api.openMerchant();
  const ours = await create(MPESA, 'order-1');
  const theirs = await create({ ...MPESA, amount: 20_000 }, 'order-1', other.send);
  expect([ours.status, theirs.status]).toEqual([201, 201]);
  expect(new Set(api.engine.started.map(({ workflowId }) => workflowId)).size).toBe(2);
  for (const rest of ['', '/timeline', '/execution', '/refunds']) {
    const answer = await api.send('GET', `/api/v1/payments/${theirs.body.id}${rest}`);
    expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } });
  }
  for (const what of ['cancel', 'capture', 'verify']) {
    expect((await ask(theirs.body.id, what)).status).toBe(404);
  }
  expect(api.engine.updates).toEqual([]);
});

test.each<readonly [string, object, string]>([
  ['payment_method', { payment_method: '4242424242424242' }, '/payment_method'],
  ['a value of metadata', { metadata: { note: `card ${CARD}` } }, '/metadata/note'],
  ['a name in metadata', { metadata: { '4242-4242-4242-4242': 'x' } }, '/metadata/•'],
  ['description', { description: `paid with ${CARD}` }, '/description'],
  ['the payer’s name', { customer: { name: CARD } }, '/customer/name'],
  ['a field that does not exist', { card: { number: CARD } }, '/card/number'],
])('a card number in %s is refused, not told and not kept', async (_what, part, pointer) => {
  const answer = await create({ ...MPESA, ...part }, 'order-1');
  expect(answer).toMatchObject({
    status: 422,
    body: { code: 'card_number', errors: [{ pointer }] },
  });
  expect(answer.text.replace(/\D/g, '')).not.toContain('4242424242424242');
  expect((await api.send('GET', '/api/v1/payments')).body.data).toEqual([]);
});

test('a card number as Idempotency-Key is refused, for refunds as well', async () => {
  const { id } = await store('succeeded');
  for (const path of ['/api/v1/payments', `/api/v1/payments/${id}/refunds`]) {
    const headers = { 'idempotency-key': '4242424242424242' };
    const answer = await api.send('POST', path, { body: { reason: 'too small' }, headers });
    expect(answer).toMatchObject({
      status: 422,
      body: {
        code: 'card_number',
        errors: [{ pointer: expect.stringMatching('Idempotency-Key') }],
      },
    });
  }
  const answer = await api.send('POST', `/api/v1/payments/${id}/refunds`, {
    body: { reason: `back to ${CARD}` },
  });
  expect(answer).toMatchObject({ status: 422, body: { errors: [{ pointer: '/reason' }] } });
});

const UPDATES: readonly (readonly [UpdateAnswer, number, string | undefined])[] = [
  [{ kind: 'done' }, 200, undefined],
  [{ kind: 'not_running' }, 503, 'temporarily_unavailable'],
  [{ kind: 'unavailable' }, 503, 'temporarily_unavailable'],
  [{ kind: 'refused', type: 'a type of tomorrow', message: 'why' }, 409, 'payment_closed'],
];
const CLOSED = { kind: 'refused', type: 'payment_closed', message: 'it has ended' } as const;
const REFUSALS = { cancel: 'already_sent', capture: 'capture_refused', verify: 'not_sent' };
describe.each(['cancel', 'capture', 'verify'] as const)('%s', (what) => {
  const type = REFUSALS[what];
  const own: UpdateAnswer = { kind: 'refused', type, message: 'the reason in words' };
  test.each([...UPDATES, [CLOSED, 409, CLOSED.type] as const, [own, 409, type] as const])(
    'when the workflow answers %j: %i %s',
    async (update, status, code) => {
      const { id, workflowId } = await store('authorized');
      api.engine.update = update;
      const answer = await ask(id, what);
      expect([answer.status, answer.body.code]).toEqual([status, code]);
      if ('message' in update && status > 200) expect(answer.body.detail).toContain(update.message);
      const amount = what === 'capture' ? [10_000] : [];
      expect(api.engine.updates).toEqual([[what, workflowId, ...amount]]);
    },
  );
});

test.each([
  ['created', 'verify'],
  ['processing', 'cancel'],
] as const)(
  'a %s payment that is not taken up yet is not called closed: try again to %s',
  async (...it) => {
    const [status, what] = it;
    const { id } = await store(status);
    api.engine.update = { kind: 'not_running' };
    const answer = await ask(id, what);
    expect([answer.status, answer.body.code]).toEqual([503, 'temporarily_unavailable']);
    expect(answer.headers.get('retry-after')).not.toBeNull();
  },
);

test.each(['runs', 'closed', 'away'] as const)(
  'what nobody has sent is canceled at once, when its workflow is: %s',
  async (workflows) => {
    const { id } = await store('created');
    api.engine.workflows = workflows;
    api.engine.update = { kind: workflows === 'runs' ? 'done' : 'unavailable' };
    for (const _again of [1, 2]) {
      expect(await ask(id, 'cancel')).toMatchObject({ status: 200, body: { status: 'canceled' } });
    }
  },
);

const NOT_ASKED = { asked: false, reason: 'it has succeeded: there is nothing to ask' };

// biome-ignore format: table, one case per line
test.each([
  [{ isAsked: true, message: null }, { asked: true, reason: 'the provider told how it stands' }],
  [{ isAsked: true, message: 'the provider says nothing definite' }, { asked: true, reason: 'the provider says nothing definite' }],
  [{ isAsked: false, message: 'there is no id to ask by' }, { asked: false, reason: 'there is no id to ask by' }],
])('a verify that its workflow answers with %j says whether anybody was asked', async (part, told) => {
  const { id } = await store('processing');
  const verified = { status: 'processing', ...part } as const;
  api.engine.verifyPayment = () => Promise.resolve({ kind: 'done', verified });
  const answer = await ask(id, 'verify');
  expect(answer).toMatchObject({ status: 200, body: { id, verification: told } });
});

// A 200 would sound as if the provider had just been asked, and had said again: not paid.
// table
test.each([
  ['succeeded', 200, undefined],
  ['failed', 409, 'payment_closed'],
  ['canceled', 409, 'payment_closed'],
] as const)('of a payment that is %s nobody is asked: a verify is %i', async (...it) => {
  const [status, code, problem] = it;
  const { id } = await store(status);
  for (const _again of [1, 2]) {
    const answer = await ask(id, 'verify');
    expect([answer.status, answer.body.code]).toEqual([code, problem]);
    if (problem !== undefined)
      expect(answer.body.detail).toContain('not asked on request any more');
    else expect(answer.body.verification).toEqual(NOT_ASKED);
  }
  expect(api.engine.updates).toEqual([]);
});

test('a verify that comes too often is told when to come again', async () => {
  const { id } = await store('processing');
  const message = 'asked too often';
  api.engine.update = { kind: 'refused', type: 'rate_limited', message, retryAfterS: 7 };
  const answer = await ask(id, 'verify');
  expect([answer.status, answer.body.code]).toEqual([429, 'rate_limited']);
  expect(answer.headers.get('retry-after')).toBe('7');
});

test.each(['capture', 'verify'] as const)(
  'a %s of what an operator paused says so',
  async (what) => {
    const { id } = await store('authorized');
    const message = 'an operator paused it: the provider is down';
    api.engine.update = { kind: 'refused', type: 'paused', message };
    const answer = await ask(id, what);
    expect([answer.status, answer.body.code]).toEqual([409, 'paused']);
    expect(answer.body.detail).toContain(message);
  },
);

test('a verify of what ends in that moment shows how it ended', async () => {
  const payment = await store('processing');
  api.engine.verifyPayment = async () => {
    await recordEvent(api.pool, payment, 'succeeded', { outcome: makeOutcome('succeeded') });
    return { kind: 'not_running' };
  };
  expect(await ask(payment.id, 'verify')).toMatchObject({
    status: 200,
    body: { status: 'succeeded' },
  });
});

test.each([
  [{ kind: 'not_running' }, 'capture', 409, 'payment_closed'],
  [{ kind: 'unavailable' }, 'capture', 409, 'payment_closed'],
  [{ kind: 'unavailable' }, 'cancel', 200, undefined],
  [{ kind: 'unavailable' }, 'verify', 200, undefined],
  [CLOSED, 'capture', 409, 'payment_closed'],
  [CLOSED, 'cancel', 200, undefined],
  [CLOSED, 'verify', 200, undefined],
] as const)(
  '%j, as it was canceled in that moment: a %s is %i',
  async (told, what, status, code) => {
    const payment = await store('authorized');
    const own = { ...api.engine };
    const end = async () => {
      await recordEvent(api.pool, payment, 'canceled', { outcome: makeOutcome('canceled') });
      return told;
    };
    Object.assign(api.engine, { cancelPayment: end, capturePayment: end, verifyPayment: end });
    const answer = await ask(payment.id, what);
    Object.assign(api.engine, own);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
  },
);

test.each([
  [4_000, { kind: 'not_running' }, 200, undefined],
  [3_000, { kind: 'not_running' }, 409, 'payment_closed'],
  [4_000, CLOSED, 200, undefined],
  [3_000, CLOSED, 409, 'payment_closed'],
] as const)('a capture of %i as it is captured of 4000, told %j: %i', async (...it) => {
  const [amount, told, status, code] = it;
  const payment = await store('authorized');
  const own = { ...api.engine };
  api.engine.capturePayment = async () => {
    const money = { amountMinor: 4_000, currency: 'KES' };
    const outcome = makeOutcome('succeeded', { money });
    await recordEvent(api.pool, payment, 'succeeded', { outcome });
    return told;
  };
  const answer = await api.send('POST', `/api/v1/payments/${payment.id}/capture`, {
    body: { amount },
  });
  api.engine.capturePayment = (...asked) => own.capturePayment(...asked);
  expect([answer.status, answer.body.code]).toEqual([status, code]);
});

test('a payment that has ended is closed', async () => {
  const { id } = await store('succeeded');
  api.engine.update = { kind: 'not_running' };
  const answer = await ask(id, 'cancel');
  expect([answer.status, answer.body.code]).toEqual([409, 'payment_closed']);
});

test('a second cancel of a canceled payment changes nothing', async () => {
  const { id } = await store('canceled');
  expect(await ask(id, 'cancel')).toMatchObject({ status: 200, body: { status: 'canceled' } });
  expect(api.engine.updates).toEqual([]);
});

test('a capture may be of a part, may be sent again, and never takes more', async () => {
  const { id, workflowId } = await store('authorized');
  expect((await ask(id, 'capture', { amount: 4_000 })).status).toBe(200);
  expect(api.engine.updates).toEqual([['capture', workflowId, 4_000]]);
  for (const amount of [10_001, 0, -1, 0.5, '4000']) {
    expect(await ask(id, 'capture', { amount })).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', errors: [{ pointer: '/amount' }] },
    });
  }
  const done = await store('succeeded');
  expect((await ask(done.id, 'capture', { amount: 10_000 })).status).toBe(200);
  expect(api.engine.updates).toHaveLength(1);
});

test('M-Pesa captures at once', async () => {
  const { id } = await storePaymentIn(api.pool, 'processing');
  expect(await ask(id, 'capture')).toMatchObject({
    status: 422,
    body: { code: 'provider_limits' },
  });
});
