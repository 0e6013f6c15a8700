import { inspect } from 'node:util';
import { type Malipo, MalipoConnectionError, MalipoError } from '../../client/index.ts';
import {
  cutShort,
  html,
  type MisbehavingServer,
  ok,
  openServer,
  problem,
  reset,
  type Step,
  silence,
} from './server.ts';

/** What the client sends again, and what it never does. */
let server: MisbehavingServer;
beforeAll(async () => {
  server = await openServer();
});
afterAll(() => server.close());

const PAYMENT = { provider: 'cpay', amount: 2_500, currency: 'KES' };
const QUICK = { timeoutMs: 1_000 };
const thrownBy = async (call: Promise<unknown>): Promise<unknown> =>
  await call.then(
    () => 'nothing was thrown',
    (error: unknown) => error,
  );

const DOUBTFUL: [string, Step][] = [
  ['a line that goes dead after the work was done', reset],
  ['no answer in time', silence],
  ['an answer that is cut short', cutShort],
  ['a success that cannot be read', html(200)],
  ['502 by something in between', html(502)],
  ['503 as a problem', problem(503, 'temporarily_unavailable', true)],
  ['504 by something in between', html(504)],
  ['500 that may be repeated', problem(500, 'internal_error', true)],
];
const TOO_MANY: [string, Step] = ['429', problem(429, 'rate_limited', true)];
const FINAL: [string, Step, object][] = [
  ['400', problem(400, 'invalid_request', false), { status: 400, code: 'invalid_request' }],
  ['401', problem(401, 'unauthorized', false), { status: 401, code: 'unauthorized' }],
  ['409', problem(409, 'payment_closed', false), { status: 409, code: 'payment_closed' }],
  ['422', problem(422, 'idempotency_key_reused', false), { code: 'idempotency_key_reused' }],
  ['500 that may not be repeated', problem(500, 'broken', false), { status: 500, code: 'broken' }],
  ['404 by something else', html(404), { name: 'MalipoConnectionError', isUnsent: false }],
  ['a redirect', html(302, { location: '/elsewhere' }), { name: 'MalipoConnectionError' }],
];

describe('a payment', () => {
  it.each([...DOUBTFUL, TOO_MANY])('is asked for again with its key after %s', async (_, fault) => {
    server.play(fault, fault, ok({ id: 'pay_1' }));
    const payment = await server.client(QUICK).payments.create(PAYMENT);
    expect(payment.id).toBe('pay_1');
    const [first, ...others] = server.received;
    expect(first?.key).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(JSON.parse(first?.body ?? '')).toEqual(PAYMENT);
    expect(others.map(({ key, body }) => [key, body])).toEqual(
      Array.from({ length: 2 }, () => [first?.key, first?.body]),
    );
  });

  it.each(FINAL)('is not asked for again after %s', async (_, fault, expected) => {
    server.play(fault, ok({ id: 'pay_1' }));
    const error = await thrownBy(server.client(QUICK).payments.create(PAYMENT));
    expect(error).toMatchObject(expected);
    expect(server.received).toHaveLength(1);
  });

  it('has a new key at each call, and the one it is given', async () => {
    server.play(ok({ id: 'pay_1' }));
    const { payments } = server.client();
    await payments.create(PAYMENT);
    await payments.create(PAYMENT);
    await payments.create(PAYMENT, { idempotencyKey: 'order-1' });
    const keys = server.received.map(({ key }) => key);
    expect(new Set(keys).size).toBe(3);
    expect(keys[2]).toBe('order-1');
  });
});

describe('what has no key and makes a second thing', () => {
  const create = () => server.client(QUICK).apiKeys.create({ name: 'Web shop' });

  it.each(DOUBTFUL)('is not sent twice after %s', async (_, fault) => {
    server.play(fault, ok({ id: 'key_2' }));
    const error = await thrownBy(create());
    expect(error instanceof MalipoError || error instanceof MalipoConnectionError).toBe(true);
    expect(error).toMatchObject({ idempotencyKey: null });
    expect(server.received.map(({ method, key }) => [method, key])).toEqual([['POST', undefined]]);
  });

  it('is sent again after 429, by which nothing was done', async () => {
    server.play(TOO_MANY[1], ok({ id: 'key_1' }));
    expect((await create()).id).toBe('key_1');
    expect(server.received).toHaveLength(2);
  });

  it.each(['ECONNREFUSED', 'EHOSTUNREACH'])(
    'is not sent twice after %s of a line',
    async (code) => {
      const cause = Object.assign(new Error(`read ${code}`), { code, syscall: 'read' });
      let tries = 0;
      const fetch = () => {
        tries += 1;
        return Promise.reject(new TypeError('fetch failed', { cause }));
      };
      const error = await thrownBy(server.client({ fetch }).apiKeys.create({ name: 'Web shop' }));
      expect([tries, error]).toMatchObject([1, { isUnsent: false }]);
    },
  );

  it('is sent again while nobody listens, and then says that nothing was sent', async () => {
    const other = await openServer();
    const client = other.client({ retries: 2 });
    await other.close();
    const error = await thrownBy(client.apiKeys.create({ name: 'Web shop' }));
    expect(error).toMatchObject({ isUnsent: true, tries: 3 });
    expect(String(error)).toMatch(/createApiKey: no answer, ECONNREFUSED .*nothing was sent/);
  });
});

describe('what has no key and leaves things as they were', () => {
  it.each([
    ['GET', 'payments/pay_1', ({ payments }: Malipo) => payments.get('pay_1')],
    ['POST', 'payments/pay_1/cancel', ({ payments }: Malipo) => payments.cancel('pay_1')],
    ['DELETE', 'webhook-endpoints/we_1', (it: Malipo) => it.webhookEndpoints.delete('we_1')],
  ])('is sent again: %s %s', async (method, path, call) => {
    server.play(reset, ok({ id: 'pay_1' }));
    await call(server.client());
    const sent = [method, `/api/v1/${path}`, undefined];
    expect(server.received.map((it) => [it.method, it.path, it.key])).toEqual([sent, sent]);
  });
});

describe('how long it waits', () => {
  it('is what Retry-After says, in seconds or as a date', async () => {
    const at = new Date(Date.now() + 2_500).toUTCString();
    server.play(
      problem(503, 'temporarily_unavailable', true, { 'retry-after': '1' }),
      problem(429, 'rate_limited', true, { 'retry-after': at }),
      ok({ id: 'pay_1' }),
    );
    await server.client().payments.create(PAYMENT);
    const [first = 0, second = 0] = server.received.map(({ atMs }) => atMs);
    expect(second - first).toBeGreaterThanOrEqual(1_000);
    // A date has whole seconds.
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(at) - 5);
  });

  it('is left to the caller when it is more than a minute', async () => {
    server.play(problem(429, 'rate_limited', true, { 'retry-after': '3600' }));
    const error = await thrownBy(server.client().payments.create(PAYMENT));
    expect(error).toMatchObject({ code: 'rate_limited', retryAfterMs: 3_600_000 });
    expect(server.received).toHaveLength(1);
  });

  it('grows from try to try', async () => {
    server.play(problem(500, 'internal_error', true));
    await thrownBy(server.client({ backoffMs: 40, retries: 4 }).payments.create(PAYMENT));
    const times = server.received.map(({ atMs }) => atMs);
    const pauses = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0));
    for (const [index, pauseMs] of pauses.entries()) {
      expect(pauseMs).toBeGreaterThanOrEqual(20 * 2 ** index - 2);
    }
    expect(pauses).toHaveLength(4);
  });

  it('ends with the caller’s patience, while it waits and while it pauses', async () => {
    const late = AbortSignal.timeout(100);
    server.play(silence);
    const waiting = await thrownBy(server.client().payments.create(PAYMENT, { signal: late }));
    expect(String(waiting)).toMatch(/the caller gave up .* repeat it with idempotencyKey/);
    server.play(problem(503, 'temporarily_unavailable', true, { 'retry-after': '30' }));
    const signal = AbortSignal.timeout(1_000);
    const startedMs = performance.now();
    const pausing = await thrownBy(server.client().payments.create(PAYMENT, { signal }));
    expect(pausing).toMatchObject({ name: 'MalipoConnectionError', tries: 2 });
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    expect(server.received).toHaveLength(1);
  });

  it('is never longer for one try because the caller might give up', async () => {
    server.play(silence, ok({ id: 'pay_1' }));
    const { signal } = new AbortController();
    await server.client(QUICK).payments.create(PAYMENT, { signal });
    expect(server.received).toHaveLength(2);
  });
});

describe('what it throws', () => {
  it('has all that the problem says', async () => {
    server.play(problem(422, 'refund_too_much', false));
    const error = await thrownBy(server.client().refunds.create('pay_1', { amount: 1 }));
    expect(error).toBeInstanceOf(MalipoError);
    expect(error).toMatchObject({
      name: 'MalipoError',
      message: '422 refund_too_much: how to mend it (req_1)',
      status: 422,
      code: 'refund_too_much',
      detail: 'how to mend it',
      requestId: 'req_1',
      retryable: false,
      errors: [{ pointer: '/amount', detail: 'too much' }],
      idempotencyKey: server.received[0]?.key,
      retryAfterMs: null,
    });
  });

  it('names the key that may be used again when nobody knows', async () => {
    server.play(reset);
    const call = server.client().payments.create(PAYMENT, { idempotencyKey: 'order-7' });
    const error = await thrownBy(call);
    expect(error).toMatchObject({ idempotencyKey: 'order-7', isUnsent: false, tries: 4 });
    expect(String(error)).toContain('may have been done; repeat it with idempotencyKey "order-7"');
  });

  it('shows the key of the API nowhere, and neither does the client', async () => {
    server.play(reset);
    const client = server.client({ retries: 0 });
    const error = await thrownBy(client.payments.get('pay_1'));
    for (const shown of [inspect(client, { depth: 9 }), inspect(error, { depth: 9 })]) {
      expect(shown).not.toContain('sk_test_ofThisTest');
    }
  });

  it.each(['', '..', 'pay_1/cancel', 'pay_1?x=1'])(
    'is for an id like %j a TypeError',
    async (id) => {
      server.play(ok({ id: 'pay_1' }));
      await expect(server.client().payments.get(id)).rejects.toThrow(TypeError);
      expect(server.received).toHaveLength(0);
    },
  );

  it.each([
    [{ apiKey: '' }, 'apiKey'],
    [{ apiKey: 'sk_test_\n' }, 'apiKey'],
    [{ baseUrl: 'pay.example.com' }, 'baseUrl'],
    [{ baseUrl: 'ftp://pay.example.com' }, 'baseUrl'],
  ])('is for options like %j a TypeError', (options, name) => {
    expect(() => server.client(options)).toThrow(name);
  });
});
