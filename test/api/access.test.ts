import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Operation } from '../../api/operation.ts';
import { OPERATIONS } from '../../api/operations.ts';
import { makeApiKey } from '../../db/api-key.ts';
import { ensureApiKey } from '../../db/merchants.ts';
import { covers, isScope, ROLES, type Role, SCOPE_NAMES, type Scope } from '../../domain/access.ts';
import { MERCHANT } from '../factories.ts';
import { type GoodRequest, openGoodRequests } from './good-requests.ts';
import { openOperator } from './operators.ts';
import { type Answer, openTestApi, type TestApi } from './server.ts';

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
let makeGood: (operation: Operation) => Promise<GoodRequest>;
let tokens: Readonly<Record<Role, string>>;
beforeAll(async () => {
  api = await openTestApi();
  makeGood = await openGoodRequests(api);
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
/** From an address of its own, a /48: who is refused too often from one is told to wait. */
async function ask(operation: Operation, authorization: string, request?: GoodRequest) {
  serial += 1;
  const { path, body, headers } = request ?? (await makeGood(operation));
  return await api.send(operation.method.toUpperCase(), path, {
    ...(body === undefined ? {} : { body }),
    headers: {
      ...headers,
      'x-forwarded-for': `2001:db8:${serial.toString(16)}::1`,
      authorization,
    },
  });
}

/** One for each set of scopes: a merchant has not many keys. */
const madeKeys = new Map<string, string>();
const keyWith = async (scopes: readonly Scope[]) => {
  const apiKey = madeKeys.get(scopes.join()) ?? makeApiKey('test');
  madeKeys.set(scopes.join(), apiKey);
  await ensureApiKey(api.pool, { merchantId: MERCHANT.id, apiKey, scopes });
  return `Bearer ${apiKey}`;
};
const UNAUTHORIZED = { status: 401, body: { code: 'unauthorized' } };
const FORBIDDEN = { status: 403, body: { code: 'forbidden' } };
/** Whoever may gets what was asked for: a fault or an unfit request is no proof of access. */
const expectGranted = ({ status, text }: Answer) =>
  expect(`${status} ${text.slice(0, 300)}`).toMatch(/^2\d\d /);
const expectOne = (expected: object | null, answer: Answer) =>
  expected === null ? expectGranted(answer) : expect(answer).toMatchObject(expected);

describe.each(OPERATIONS.map((it) => [it.id, it] as const))('%s', (_id, operation) => {
  test.each([
    ['nothing', ''],
    ['another scheme', 'Basic c2s6'],
    ['an unknown key', `Bearer ${makeApiKey('test')}`],
    ['a broken token', 'Bearer eyJhbGciOiJub25lIn0.e30.'],
  ])('asked with %s', async (_what, authorization) => {
    const expected = NEEDS.get(operation.id) === 'open' ? null : UNAUTHORIZED;
    expectOne(expected, await ask(operation, authorization));
  });

  test('asked by merchants’ keys, with the scope and with all others', async () => {
    const needed = needsOf(operation);
    if (!isScope(needed)) {
      const expected = needed === '' ? null : UNAUTHORIZED;
      expectOne(expected, await ask(operation, await keyWith(SCOPE_NAMES)));
      return;
    }
    const others = await keyWith(SCOPE_NAMES.filter((scope) => scope !== needed));
    expect(await ask(operation, others)).toMatchObject(FORBIDDEN);
    expectGranted(await ask(operation, await keyWith([needed])));
  });

  test.each(ROLES)('asked by an operator who is %s', async (role) => {
    const needed = needsOf(operation);
    const isMerchants = isScope(needed);
    const isIn = isRole(needed) ? covers(role, needed) : !isMerchants;
    const expected = isIn ? null : isMerchants ? UNAUTHORIZED : FORBIDDEN;
    expectOne(expected, await ask(operation, `Bearer ${tokens[role]}`));
  });
});

const OF_ONE = OPERATIONS.filter(
  ({ access, path }) => access.kind === 'merchant' && path.includes('{id}'),
);
test.each(OF_ONE.map((it) => [it.id, it] as const))(
  'what another merchant asks of %s is not there; its owner finds it',
  async (_id, operation) => {
    const request = await makeGood(operation);
    const other = await api.openMerchant();
    const answer = await ask(operation, `Bearer ${other.apiKey}`, request);
    expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expectGranted(await ask(operation, `Bearer ${api.apiKey}`, request));
  },
);

test('there are operations on one thing of each kind', () => {
  expect(OF_ONE.length).toBeGreaterThan(18);
});
