import { OPERATIONS } from '../../api/operations.ts';
import { makeApiKey } from '../../db/api-key.ts';
import { ensureApiKey } from '../../db/merchants.ts';
import type { Scope } from '../../domain/access.ts';
import { MERCHANT } from '../factories.ts';
import { connect } from './live-client.ts';
import { openOperator } from './operators.ts';
import { fillPath, storeOneOfEach } from './seeds.ts';
import { openTestApi, type Send, type TestApi } from './server.ts';

/** What merchants see of us, and what a key sees of its merchant. */
let api: TestApi;
let seeds: Awaited<ReturnType<typeof storeOneOfEach>>;
beforeAll(async () => {
  api = await openTestApi();
  seeds = await storeOneOfEach(api);
});
afterAll(() => api.close());

const TEMPORAL = 'http://temporal.example.test/';
const LOST = 'connect ECONNREFUSED 10.0.0.5:5432; getaddrinfo ENOTFOUND db.internal; [::1]:7233';

/** What each of these answers by GET, with the workflow's last error among it. */
async function readAll(kind: 'merchant' | 'operator', send: Send) {
  api.engine.execution = {
    status: 'running',
    historyLength: 5,
    activities: [
      {
        type: 'lookup',
        attempt: 2,
        attemptsMax: null,
        lastError: LOST,
        nextTryAt: null,
        state: 'running',
      },
    ],
  };
  const gets = OPERATIONS.filter(({ method, access }) => method === 'get' && access.kind === kind);
  const answers = [];
  for (const { id, path } of gets) {
    const { status, text } = await send('GET', fillPath(path, seeds));
    answers.push({ id, status, text });
  }
  return answers;
}

test('no answer to a merchant names a machine of ours; operators see them', async () => {
  const answers = await readAll('merchant', api.send);
  const named = answers.filter(({ text }) =>
    /temporal\.example|10\.0\.0\.5|5432|db\.internal|7233/.test(text),
  );
  expect(named).toEqual([]);
  expect(answers.filter(({ text }) => text.includes('ECONNREFUSED'))).toHaveLength(2);
  const { send } = await openOperator(api, 'admin');
  const told = await readAll('operator', send);
  const withUrl = told.filter(({ text }) => text.includes(TEMPORAL)).map(({ id }) => id);
  expect(withUrl).toEqual(
    expect.arrayContaining([
      'adminGetPayment',
      'adminGetPaymentExecution',
      'adminGetRefund',
      'adminGetRefundExecution',
    ]),
  );
  expect(told.some(({ text }) => text.includes('10.0.0.5:5432'))).toBe(true);
});

test('a payment that is being made names none either', async () => {
  const body = { provider: 'cpay', amount: 10_000, currency: 'KES' };
  const made = await api.send('POST', '/api/v1/payments', { body });
  expect(made.body).toMatchObject({ workflow: { id: expect.any(String), url: null } });
});

describe('a key', () => {
  const withScopes = async (...scopes: readonly Scope[]) => {
    const apiKey = makeApiKey('test');
    await ensureApiKey(api.pool, { merchantId: MERCHANT.id, apiKey, scopes });
    const headers = { authorization: `Bearer ${apiKey}` };
    const get = async (path: string) => await api.send('GET', `/api/v1/${path}`, { headers });
    return { apiKey, get };
  };
  const event = () => `events/${seeds.events}`;
  const delivery = () => `deliveries/${seeds.deliveries}`;

  test('that sees endpoints sees no amounts: not in events, deliveries or live', async () => {
    const { apiKey, get } = await withScopes('webhook_endpoints:read', 'webhook_endpoints:write');
    for (const path of ['events', event()]) {
      const answer = await get(path);
      expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } });
      expect(answer.body.detail).toContain('payments:read');
    }
    expect(await connect(api.url, apiKey).code).toBe(4401);
    for (const path of ['webhook-endpoints', 'deliveries', delivery()]) {
      const { status, text } = await get(path);
      expect([path, status]).toEqual([path, 200]);
      expect(text).not.toMatch(/amount"|currency|metadata|receipt|reference/);
    }
  });

  test('that sees payments sees what happened to them, in a list as live', async () => {
    const { apiKey, get } = await withScopes('payments:read');
    for (const path of ['events', event()]) expect((await get(path)).status).toBe(200);
    const client = connect(api.url, apiKey);
    await new Promise((resolve) => client.socket.once('message', resolve));
    client.socket.terminate();
    expect(client.told).toEqual([{ type: 'authenticated' }]);
    expect((await get('deliveries')).status).toBe(403);
  });
});
