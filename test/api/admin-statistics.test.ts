import { makeOutcome, recordEvent, storePaymentIn } from '../factories.ts';
import { openOperator } from './operators.ts';
import { openTestApi, type Send, type TestApi } from './server.ts';

let api: TestApi;
let viewer: Send;
beforeEach(async () => {
  api = await openTestApi();
  viewer = (await openOperator(api, 'viewer')).send;
});
afterEach(() => api.close());

const PATH = '/api/v1/admin/statistics';
const summarize = async (query = '') => (await viewer('GET', `${PATH}/summary?${query}`)).body;

/** A payment that was settled because we asked. */
async function rescue(): Promise<void> {
  const payment = await storePaymentIn(api.pool, 'processing');
  const outcome = makeOutcome('succeeded', { receipt: null });
  await recordEvent(api.pool, payment, 'succeeded', { key: 'lookup', outcome });
}

test('each provider has its rates, over what has ended', async () => {
  for (const status of ['succeeded', 'failed', 'needs_review', 'processing'] as const) {
    await storePaymentIn(api.pool, status);
  }
  await rescue();
  await storePaymentIn(api.pool, 'processing', { provider: 'cpay' });
  expect(await summarize()).toMatchObject({
    data: [
      {
        provider: 'cpay',
        payments: 1,
        open: 1,
        success_rate: null,
        resolved_by_polling_share: null,
      },
      {
        object: 'provider_summary',
        provider: 'mpesa',
        payments: 5,
        succeeded: 2,
        failed: 1,
        canceled: 0,
        open: 1,
        needs_review: 1,
        success_rate: 0.6667,
        median_ms: expect.any(Number),
        p95_ms: expect.any(Number),
        resolved_by_polling: 1,
        resolved_by_polling_share: 0.3333,
        failures: [{ code: 'insufficient_funds', payments: 1 }],
      },
    ],
    has_more: false,
  });
  const other = await api.openMerchant();
  expect((await summarize(`merchant_id=${other.id}`)).data).toEqual([]);
});

test('the series says by step how long it took and what was rescued', async () => {
  await rescue();
  await storePaymentIn(api.pool, 'processing');
  const { body } = await viewer('GET', `${PATH}?step=month`);
  expect(body.data).toMatchObject([
    { status: 'processing', payments: 1, median_ms: null, p95_ms: null, resolved_by_polling: 0 },
    { status: 'succeeded', payments: 1, p95_ms: expect.any(Number), resolved_by_polling: 1 },
  ]);
});

test.each(['', '/summary'])('of statistics%s only so much time is asked at once', async (what) => {
  const ask = (query: string) => viewer('GET', `${PATH}${what}?${query}`);
  const wide = 'created_from=2026-01-01T00:00:00Z&created_before=2026-04-05T00:00:00Z';
  expect((await ask(wide)).body.errors?.[0]?.pointer).toBe('/created_from');
  const widest = 'created_from=2026-01-01T00:00:00Z&created_before=2026-04-04T00:00:00Z';
  expect(await ask(widest)).toMatchObject({ status: 200, body: { data: [] } });
});

test('what is more than one answer holds is refused, not cut off at its newest end', async () => {
  await storePaymentIn(api.pool, 'created');
  // One payment an hour in each of three currencies: more than 5000 groups, in 70 days.
  await api.database.queryAsOwner(`
    INSERT INTO payments SELECT (jsonb_populate_record(p, jsonb_build_object(
      'id', overlay(p.id PLACING lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
        FROM 5 FOR 12) || unit,
      'idempotency_key', at || unit, 'workflow_id', at || unit,
      'currency', unit, 'created_at', at))).*
    FROM payments p, unnest(ARRAY['KES', 'UGX', 'USD']) AS unit,
      generate_series(now() - interval '69 days 12 hours', now(), interval '1 hour') AS at`);
  const from = new Date(Date.now() - 70 * 86_400_000).toISOString();
  const ask = (step: string) => viewer('GET', `${PATH}?created_from=${from}&step=${step}`);
  const refused = await ask('hour');
  expect(refused).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  expect(refused.body.errors?.[0]?.pointer).toBe('/step');
  expect(refused.body.detail).toContain('a longer step or a shorter window');
  const { body } = await ask('day');
  expect(new Set(body.data.map(({ at }) => at)).size).toBeGreaterThan(69);
  expect(body).toMatchObject({ has_more: false });
});
