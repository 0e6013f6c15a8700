import { type KeyMode, makeApiKey } from '../../db/api-key.ts';
import { ensureApiKey } from '../../db/merchants.ts';
import { MERCHANT } from '../factories.ts';
import { until } from '../until.ts';
import { closeClients, connect } from './live-client.ts';
import { openTestApi, type TestApi } from './server.ts';

/** A key says whether real money moves by it, so it opens nothing where that is not so. */
let api: TestApi;
afterEach(async () => {
  closeClients();
  await api.close();
});

// biome-ignore format: table, one case per line
test.each<readonly ['sandbox' | 'production', KeyMode, 200 | 401, string]>([
  ['sandbox', 'test', 200, ''],
  ['sandbox', 'live', 401, 'a test key (sk_test_…)'],
  ['production', 'live', 200, ''],
  ['production', 'test', 401, 'a live key (sk_live_…)'],
])('in %s a %s key is answered %i', async (environment, mode, status, needed) => {
  api = await openTestApi({ adapt: (deps) => ({ ...deps, environment }) });
  const apiKey = makeApiKey(mode);
  await ensureApiKey(api.pool, { merchantId: MERCHANT.id, apiKey });
  const headers = { authorization: `Bearer ${apiKey}` };
  const answer = await api.send('GET', '/api/v1/payments', { headers });
  expect(answer.status).toBe(status);
  if (status === 401) expect(answer.body.code).toBe('unauthorized');
  expect(answer.body.detail ?? '').toContain(needed);
  const client = connect(api.url, apiKey);
  const isWelcome = () => client.told.some(({ type }) => type === 'authenticated');
  if (status === 200) await until(isWelcome);
  else expect(await client.code).toBe(4401);
});
