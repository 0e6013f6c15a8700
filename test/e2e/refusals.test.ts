import { openRaw, parseAnswer, readAll } from '../api/raw.ts';
import { openStack, type Stack } from './stack.ts';

const ONE_SEND = { timeout_ms: 2_500, deadline_ms: 60_000, max_sends: 1, resend_after_ms: [500] };

let stack: Stack;
let url: string;
let authorization: string;
beforeAll(async () => {
  stack = await openStack(1, { policies: { mpesa: { charge: ONE_SEND } } });
  const { api_url, api_key } = stack.world.details();
  url = `${api_url}/api/v1`;
  authorization = `Bearer ${api_key}`;
}, 150_000);
afterAll(() => stack?.close(), 60_000);

const GOOD = {
  provider: 'mpesa',
  amount: 10_000,
  currency: 'KES',
  customer: { phone: '0712345678' },
};

async function post(body: unknown, headers: Record<string, string> = {}) {
  const answer = await fetch(`${url}/payments`, {
    method: 'POST',
    headers: {
      authorization,
      'content-type': 'application/json',
      'idempotency-key': 'refused',
      ...headers,
    },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return {
    status: answer.status,
    type: answer.headers.get('content-type'),
    body: JSON.parse(await answer.text()),
  };
}

const countRows = async (these: string) =>
  (await stack.db.query(`SELECT id FROM ${these}`)).rows.length;

const countPrompts = async () => {
  const ledger = Object.assign({ prompts: [] }, await stack.simulate('GET', 'ledger'));
  return ledger.prompts.length;
};

describe('a request that is not in order', () => {
  // table
  const CASES: [string, unknown, Record<string, string>, number, RegExp][] = [
    ['no key', GOOD, { 'idempotency-key': '' }, 400, /Idempotency-Key/],
    ['a key with spaces', GOOD, { 'idempotency-key': 'a b' }, 400, /visible ASCII/],
    ['amount 0', { ...GOOD, amount: 0 }, {}, 400, /minor units/],
    ['a negative amount', { ...GOOD, amount: -5 }, {}, 400, /minor units/],
    ['a fraction', { ...GOOD, amount: 100.5 }, {}, 400, /minor units/],
    ['2^53', { ...GOOD, amount: 2 ** 53 }, {}, 400, /2\^53|minor units/],
    ['a string', { ...GOOD, amount: '100' }, {}, 400, /minor units/],
    ['KES 100.50', { ...GOOD, amount: 10_050 }, {}, 422, /multiple of 100/],
    ['above the maximum', { ...GOOD, amount: 25_000_100 }, {}, 422, /250000\.00/],
    ['another currency', { ...GOOD, currency: 'USD' }, {}, 422, /takes KES/],
    ['a short phone', { ...GOOD, customer: { phone: '07123' } }, {}, 422, /0712345678/],
    ['a foreign phone', { ...GOOD, customer: { phone: '+14155552671' } }, {}, 422, /Kenyan/],
    ['an unknown field', { ...GOOD, amuont: 1 }, {}, 400, /amuont/],
    ['broken JSON', '{"provider":', {}, 400, /JSON/],
    ['another content type', 'a=b', { 'content-type': 'text/plain' }, 415, /application\/json/],
    ['5 MB', `{"a":"${'x'.repeat(5_000_000)}"}`, {}, 413, /64kb/],
    ['a wrong API key', GOOD, { authorization: 'Bearer sk_test_0000000000' }, 401, /API key/],
  ];

  it.each(CASES)(
    '%s is refused and leaves nothing',
    async (_what, body, headers, status, remedy) => {
      const answer = await post(body, headers);
      expect(answer.status).toBe(status);
      expect(answer.type).toMatch(/^application\/problem\+json/);
      expect(answer.body).toMatchObject({ status, detail: expect.stringMatching(remedy) });
      expect([await countRows('payments'), await countPrompts()]).toEqual([0, 0]);
    },
  );

  it('a number of the newer series is taken', async () => {
    const key = { 'idempotency-key': 'newer' };
    const { status, body } = await post({ ...GOOD, customer: { phone: '0110345680' } }, key);
    expect([status, body.customer.phone]).toEqual([201, '+254•••••680']);
    expect(await countPrompts()).toBe(1);
  });

  it.each(['0712345679', '+254712345679', '254712345679'])('%s is one phone', async (phone) => {
    const key = { 'idempotency-key': 'spellings' };
    const { status, body } = await post({ ...GOOD, customer: { phone } }, key);
    expect([200, 201]).toContain(status);
    expect(body.customer.phone).toBe('+254•••••679');
    expect([await countRows('payments'), await countPrompts()]).toEqual([2, 2]);
  });
});

describe('a callback', () => {
  const call = async (token: string, body: string) =>
    (await fetch(`${url}/webhooks/stk/${token}`, { method: 'POST', body })).status;
  /** By hand: a client library may take the answer that comes early for a broken connection. */
  const callAtLength = async (token: string, bytes: number) => {
    const socket = await openRaw(url);
    const read = readAll(socket);
    const path = `${new URL(url).pathname}/webhooks/stk/${token}`;
    socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes}\r\n\r\n`);
    socket.write('x'.repeat(bytes));
    // The connection goes on, so that nothing of the answer is lost.
    socket.write('GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const [refused = '', alive = ''] = (await read).split(/(?=HTTP\/1\.1 200)/);
    expect(parseAnswer(alive).status).toBe(200);
    return parseAnswer(refused);
  };
  const listStored = async (paymentId: string) =>
    (await stack.db.query('SELECT * FROM webhook_events WHERE payment_id = $1', [paymentId])).rows;

  it('with a forged token is 404 and leaves nothing', async () => {
    // Nothing real is malformed as this is; what was asked for before may well be told meanwhile.
    const malformed = "webhook_events WHERE status = 'parked' AND event->>'unclear' = 'unreadable'";
    const before = await countRows(malformed);
    expect(await call('ab'.repeat(33), '{}')).toBe(404);
    expect(await countRows(malformed)).toBe(before);
  });

  it('that is malformed is answered 200 and kept; one of 10 MB is not taken', async () => {
    const phone = stack.phone('09');
    const { body } = await stack.pay(phone);
    const token = (await stack.ledger(phone)).prompts[0]?.callback_url.split('/').at(-1) ?? '';
    expect(await call(token, 'not json')).toBe(200);
    const kept = await listStored(body.id);
    expect(kept).toMatchObject([{ status: 'parked' }]);
    const refused = { status: 413, body: { status: 413, code: 'body_too_large' } };
    expect(await callAtLength(token, 10_000_000)).toMatchObject(refused);
    expect(await listStored(body.id)).toEqual(kept);
    expect((await stack.get(body.id)).status).toBe('processing');
  });
});

it('of a payer who is busy ends the payment once the policy allows no more sends', async () => {
  const phone = stack.phone('06');
  const { body } = await stack.pay(phone);
  const failed = await stack.until(body.id, ['failed', 'needs_review', 'succeeded']);
  expect([failed.status, failed.failure]).toMatchObject([
    'failed',
    { code: 'payer_busy', retry: 'later', retry_at: expect.any(String) },
  ]);
  const { prompts, charges } = await stack.ledger(phone);
  expect([prompts, charges]).toEqual([[], []]);
});
