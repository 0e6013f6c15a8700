import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Operation } from '../../api/operation.ts';
import { OPERATIONS } from '../../api/operations.ts';
import { exampleOf } from '../../api/reference/postman.ts';
import { makeApiKey } from '../../db/api-key.ts';
import { ensureApiKey } from '../../db/merchants.ts';
import { covers, isScope, ROLES, type Role, SCOPE_NAMES, type Scope } from '../../domain/access.ts';
import { MERCHANT } from '../factories.ts';
import { openOperator } from './operators.ts';
import { fillPath, type Seeds, storeOneOfEach } from './seeds.ts';
import { openTestApi, type TestApi } from './server.ts';

/**
 * Who may do what: every operation is asked by everybody. What they may is read from the page that
 * people review, so that a role or scope that is lowered in the code shows here.
 */
const PAGE = join(import.meta.dirname, '..', '..', 'docs', 'generated', 'access.md');
const NEEDS = new Map(
  [...readFileSync(PAGE, 'utf8').matchAll(/^\| [A-Z]+ \| \S+ \| (.+) \| (\w+) \|$/gm)].map(
    ([, needs = '', id = '']) => [id, needs] as const,
  ),
);
const needsOf = ({ id }: Operation) => NEEDS.get(id)?.split(' ')[1] ?? '';
const isRole = (text: string): text is Role => ROLES.some((role) => role === text);

let api: TestApi;
let seeds: Seeds;
let tokens: Readonly<Record<Role, string>>;
beforeAll(async () => {
  api = await openTestApi();
  seeds = await storeOneOfEach(api);
  const tokenOf = async (role: Role) => (await openOperator(api, role)).token;
  tokens = {
    viewer: await tokenOf('viewer'),
    operator: await tokenOf('operator'),
    admin: await tokenOf('admin'),
  };
});
afterAll(() => api.close());

test('the page lists each operation once', () => {
  expect([...NEEDS.keys()]).toEqual(OPERATIONS.map(({ id }) => id));
  expect(OPERATIONS.length).toBeGreaterThan(80);
});

let serial = 0;
/** From an address of its own, a /64: who is refused too often from one is told to wait. */
async function ask(operation: Operation, authorization: string, at: Seeds = seeds) {
  serial += 1;
  const body = BODIES[operation.id] ?? exampleOf(operation);
  return await api.send(operation.method.toUpperCase(), fillPath(operation.path, at), {
    ...(operation.body === null ? {} : { body: body as object }),
    headers: { 'x-forwarded-for': `2001:db8:0:${serial.toString(16)}::1`, authorization },
  });
}
/** A key gives no scope that it lacks, so the example's are left out. */
const BODIES: Readonly<Record<string, object>> = { createApiKey: { name: 'Web shop' } };

const keyWith = async (scopes: readonly Scope[], merchantId: string = MERCHANT.id) => {
  const apiKey = makeApiKey('test');
  await ensureApiKey(api.pool, { merchantId, apiKey, scopes });
  return `Bearer ${apiKey}`;
};
const UNAUTHORIZED = { status: 401, body: { code: 'unauthorized' } };
const FORBIDDEN = { status: 403, body: { code: 'forbidden' } };
const LET_IN = { body: { code: expect.not.stringMatching(/^(unauthorized|forbidden)$/) } };
/** What is answered without a problem has no code. */
const codeOf = ({ status, body }: Awaited<ReturnType<typeof ask>>) => ({
  status,
  body: { code: String(body.code ?? 'none') },
});

describe.each(OPERATIONS.map((it) => [it.id, it] as const))('%s', (_id, operation) => {
  test.each([
    ['nothing', ''],
    ['another scheme', 'Basic c2s6'],
    ['an unknown key', `Bearer ${makeApiKey('test')}`],
    ['a broken token', 'Bearer eyJhbGciOiJub25lIn0.e30.'],
  ])('asked with %s', async (_what, authorization) => {
    const expected = NEEDS.get(operation.id) === 'open' ? LET_IN : UNAUTHORIZED;
    expect(codeOf(await ask(operation, authorization))).toMatchObject(expected);
  });

  test('asked by merchants’ keys, with the scope and with all others', async () => {
    const needed = needsOf(operation);
    if (!isScope(needed)) {
      const expected = needed === '' ? LET_IN : UNAUTHORIZED;
      expect(codeOf(await ask(operation, await keyWith(SCOPE_NAMES)))).toMatchObject(expected);
      return;
    }
    const others = await keyWith(SCOPE_NAMES.filter((scope) => scope !== needed));
    expect(codeOf(await ask(operation, others))).toMatchObject(FORBIDDEN);
    const only = await keyWith([needed]);
    expect(codeOf(await ask(operation, only))).toMatchObject(LET_IN);
  });

  test.each(ROLES)('asked by an operator who is %s', async (role) => {
    const needed = needsOf(operation);
    const isMerchants = isScope(needed);
    const isIn = isRole(needed) ? covers(role, needed) : !isMerchants;
    const expected = isIn ? LET_IN : isMerchants ? UNAUTHORIZED : FORBIDDEN;
    expect(codeOf(await ask(operation, `Bearer ${tokens[role]}`))).toMatchObject(expected);
  });
});

const OF_ONE = OPERATIONS.filter(
  ({ access, path }) => access.kind === 'merchant' && path.includes('{id}'),
);
test.each(OF_ONE.map((it) => [it.id, it] as const))(
  'what another merchant asks of %s is not there; its owner finds it',
  async (_id, operation) => {
    const own = await storeOneOfEach(api);
    const other = await api.openMerchant();
    const answer = await ask(operation, `Bearer ${other.apiKey}`, own);
    expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect((await ask(operation, `Bearer ${api.apiKey}`, own)).status).not.toBe(404);
  },
);

test('there are operations on one thing of each kind', () => {
  expect(OF_ONE.length).toBeGreaterThan(18);
});
