import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeApiKey } from '../../db/api-key.ts';
import { ensureApiKey } from '../../db/merchants.ts';
import { covers, isScope, ROLES, SCOPE_NAMES, type Scope } from '../../domain/access.ts';
import { MERCHANT } from '../factories.ts';
import { until } from '../until.ts';
import { closeClients, connect } from './live-client.ts';
import { openOperator } from './operators.ts';
import { openTestApi, type TestApi } from './server.ts';

/** Who may follow the live feed, as the page says that people review. */
const PAGE = join(import.meta.dirname, '..', '..', 'docs', 'generated', 'access.md');
const [, path = '', scope = '', lowest = ''] =
  /^The live feed, `(\S+)`: scope (\S+), or role (\S+)\.$/m.exec(readFileSync(PAGE, 'utf8')) ?? [];

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
});
afterEach(closeClients);
afterAll(() => api.close());

const keyWith = async (scopes: readonly Scope[]) => {
  const apiKey = makeApiKey('test');
  await ensureApiKey(api.pool, { merchantId: MERCHANT.id, apiKey, scopes });
  return apiKey;
};
async function isLetIn(token: string): Promise<boolean> {
  const client = connect(api.url, token);
  const isWelcome = () => client.told.some(({ type }) => type === 'authenticated');
  let code: number | null = null;
  void client.code.then((it) => {
    code = it;
  });
  await until(() => isWelcome() || code !== null);
  if (!isWelcome()) expect(code).toBe(4401);
  return isWelcome();
}

test('the page names its place and a scope', () => {
  expect([path, isScope(scope)]).toEqual(['/api/v1/live', true]);
});

test('of keys the scope alone is enough, and all others are not', async () => {
  expect(await isLetIn(await keyWith(SCOPE_NAMES.filter((it) => it === scope)))).toBe(true);
  expect(await isLetIn(await keyWith(SCOPE_NAMES.filter((it) => it !== scope)))).toBe(false);
});

test.each(ROLES)('an operator who is %s', async (role) => {
  const { token } = await openOperator(api, role);
  const needed = ROLES.find((it) => it === lowest);
  if (needed === undefined) throw new Error(`the page names no role: ${lowest}`);
  expect(await isLetIn(token)).toBe(covers(role, needed));
});
