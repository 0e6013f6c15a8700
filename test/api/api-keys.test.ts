import { makeApiKey } from '../../db/api-key.ts';
import { ensureApiKey } from '../../db/merchants.ts';
import type { Scope } from '../../domain/access.ts';
import { MERCHANT } from '../factories.ts';
import { until } from '../until.ts';
import { closeClients, subscribe } from './live-client.ts';
import { countWaiting } from './locks.ts';
import { openOperator } from './operators.ts';
import { type Answer, openTestApi, type Send, type TestApi } from './server.ts';

/** What becomes of a merchant's keys after one of them was stolen. */
let api: TestApi;
let admin: Send;
beforeEach(async () => {
  // What is told by the revocation itself, and by no later look.
  api = await openTestApi({ live: { recheckMs: 3_600_000 } });
  admin = (await openOperator(api, 'admin')).send;
});
afterEach(async () => {
  closeClients();
  await api.close();
});

const KEYS = '/api/v1/api-keys';
const ADMIN_KEYS = `/api/v1/admin/merchants/${MERCHANT.id}/api-keys`;
const EVERYTHING: readonly Scope[] = ['payments:read', 'api_keys:read', 'api_keys:write'];
const as = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });

type Made = { readonly id: string; readonly key: string };
async function make(by: string, name: string, scopes = EVERYTHING): Promise<Made> {
  const { status, text, body } = await api.send('POST', KEYS, {
    body: { name, scopes },
    ...as(by),
  });
  if (status !== 201) throw new Error(text);
  return { id: body.id, key: String(body.key) };
}
const revoke = (by: string, id: string, query = '') =>
  api.send('DELETE', `${KEYS}/${id}${query}`, as(by));
const isGood = async (key: string) =>
  (await api.send('GET', '/api/v1/payments', as(key))).status === 200;
const listGood = async (keys: readonly Made[]) =>
  await Promise.all(keys.map((it) => isGood(it.key)));

/** root makes a, a makes b, b makes c; root makes other. */
async function makeFamily() {
  const root = await make(api.apiKey, 'root');
  const a = await make(root.key, 'a');
  const b = await make(a.key, 'b');
  const c = await make(b.key, 'c');
  const other = await make(root.key, 'other');
  return { root, a, b, c, other };
}

describe('revoking', () => {
  test('takes along what the key made, and what that made', async () => {
    const { root, a, b, c, other } = await makeFamily();
    const answer = await revoke(root.key, a.id);
    expect(answer.body).toMatchObject({ id: a.id, revoked_descendants: [b.id, c.id] });
    expect(await listGood([root, a, b, c, other])).toEqual([true, false, false, false, true]);
    expect((await revoke(root.key, a.id)).body).toMatchObject({ revoked_descendants: [] });
  });

  test('an operator does the same', async () => {
    const { root, a, b, c, other } = await makeFamily();
    const answer = await admin('DELETE', `${ADMIN_KEYS}/${a.id}`);
    expect(answer.body).toMatchObject({ id: a.id, revoked_descendants: [b.id, c.id] });
    expect(await listGood([root, a, b, c, other])).toEqual([true, false, false, false, true]);
  });

  test('keeps them where that is asked for; asked again without it, they go', async () => {
    const { root, a, b, c } = await makeFamily();
    const kept = await revoke(root.key, a.id, '?descendants=keep');
    expect(kept.body).toMatchObject({ id: a.id, revoked_descendants: [] });
    expect(await listGood([a, b, c])).toEqual([false, true, true]);
    expect((await revoke(root.key, a.id)).body.revoked_descendants).toEqual([b.id, c.id]);
    expect(await listGood([a, b, c])).toEqual([false, false, false]);
    expect((await revoke(root.key, a.id, '?descendants=all')).status).toBe(400);
  });

  test('a key that takes the place of the one that made it stays, with what it made', async () => {
    const { root, a, b, c, other } = await makeFamily();
    const answer = await revoke(b.key, root.id);
    expect(answer.body.revoked_descendants).toEqual([a.id, other.id]);
    expect(await listGood([root, a, b, c, other])).toEqual([false, false, true, true, false]);
  });

  // biome-ignore format: table, one case per line
  test.each<readonly [string, readonly Scope[], readonly Scope[], number]>([
    ['the same', ['api_keys:write', 'payments:read'], ['payments:read', 'api_keys:write'], 200],
    ['a part', ['api_keys:write', 'payments:read'], ['payments:read'], 200],
    ['one scope more', ['api_keys:write', 'payments:read'], ['payments:read', 'payments:write'], 403],
    ['others', ['api_keys:write'], ['refunds:write'], 403],
  ])('a key revokes one that holds %s', async (_what, own, scopes, status) => {
    const target = await make(api.apiKey, 'target', ['payments:read']);
    const set = 'UPDATE api_keys SET scopes = $1 WHERE id = $2';
    await api.database.queryAsOwner(set, [scopes, target.id]);
    const answer = await revoke((await make(api.apiKey, 'own', own)).key, target.id);
    expect(answer.status).toBe(status);
    const lacking = scopes.find((scope) => !own.includes(scope));
    if (status === 403) expect(answer.body.detail).toContain(lacking);
    const read = 'SELECT revoked_at IS NULL AS live FROM api_keys WHERE id = $1';
    const [row] = await api.database.queryAsOwner(read, [target.id]);
    expect(row).toEqual({ live: status === 403 });
  });

  test('a key revokes itself and what it made', async () => {
    const own = await make(api.apiKey, 'own', ['api_keys:write']);
    const child = await make(own.key, 'child', ['api_keys:write']);
    expect((await revoke(own.key, own.id)).body.revoked_descendants).toEqual([child.id]);
    expect((await revoke(child.key, child.id)).status).toBe(401);
  });

  test('ends what was open on the live feed, of the key and of what it made', async () => {
    const { root, a, b, other } = await makeFamily();
    const open = async ({ key }: Made) => await subscribe(api.url, key);
    const [ofA, ofB, ofOther] = [await open(a), await open(b), await open(other)];
    await revoke(root.key, a.id);
    expect([await ofA.code, await ofB.code]).toEqual([4401, 4401]);
    expect(ofOther.socket.readyState).toBe(ofOther.socket.OPEN);
  });
});

type Ending = { readonly revoked_at?: Date; readonly expires_at?: Date };

/** Keys that are there without anybody's asking for them. */
async function storeKeys(count: number, { revoked_at, expires_at }: Ending = {}): Promise<void> {
  await api.database.queryAsOwner(
    `INSERT INTO api_keys (id, merchant_id, prefix, hash, revoked_at, expires_at)
     SELECT 'key_' || md5(random()::text), $1, 'sk_test_', sha256(random()::text::bytea), $2, $3
     FROM generate_series(1, $4::int)`,
    [MERCHANT.id, revoked_at, expires_at, count],
  );
}

describe('a merchant has 50 keys that are good, and no more', () => {
  const create = (send: Send, path: string) =>
    send('POST', path, { body: { name: 'one more', scopes: ['payments:read'] } });
  const expectRefused = ({ status, body }: Answer) => {
    expect([status, body.code]).toEqual([409, 'limit_reached']);
    expect(body.detail).toContain('50');
  };

  test('whoever asks for one; what is revoked or has ended does not count', async () => {
    await storeKeys(48);
    await storeKeys(60, { revoked_at: new Date() });
    await storeKeys(60, { expires_at: new Date(Date.now() - 60_000) });
    expect((await create(api.send, KEYS)).status).toBe(201);
    expectRefused(await create(api.send, KEYS));
    expectRefused(await create(admin, ADMIN_KEYS));
    const other = await api.openMerchant();
    expect((await create(other.send, KEYS)).status).toBe(201);
    await api.database.queryAsOwner(
      "UPDATE api_keys SET revoked_at = now() WHERE name = 'one more' AND merchant_id = $1",
      [MERCHANT.id],
    );
    expect((await create(admin, ADMIN_KEYS)).status).toBe(201);
  });

  test('two at once are two', async () => {
    await storeKeys(48);
    await withMerchantLocked(async (release) => {
      const both = [create(api.send, KEYS), create(admin, ADMIN_KEYS)];
      await until(async () => (await countWaiting(api)) === 2);
      await release();
      const statuses = (await Promise.all(both)).map(({ status }) => status);
      expect(statuses.toSorted((a, b) => a - b)).toEqual([201, 409]);
    });
  });
});

/** Whatever changes the merchant's keys waits meanwhile. */
async function withMerchantLocked(work: (release: () => Promise<void>) => Promise<void>) {
  const run = (statement: string) => api.database.queryAsOwner(statement);
  await run('BEGIN');
  try {
    await run(`SELECT id FROM merchants WHERE id = '${MERCHANT.id}' FOR NO KEY UPDATE`);
    await work(async () => {
      await run('COMMIT');
    });
  } finally {
    await run('ROLLBACK');
  }
}

// Who came first to the lock is served first, so that each order is tried.
test.each(
  Array.from({ length: 10 }, (_, race) => [race, race % 2 === 0 ? 'after' : 'before'] as const),
)('race %i: what a key makes just %s it is revoked is not good', async (_race, order) => {
  const { root, a } = await makeFamily();
  await withMerchantLocked(async (release) => {
    const creating = () => api.send('POST', KEYS, { body: { name: 'late' }, ...as(a.key) });
    const revoking = () => revoke(root.key, a.id);
    const steps = order === 'after' ? [revoking, creating] : [creating, revoking];
    const answers: Promise<Answer>[] = [];
    for (const step of steps) {
      answers.push(step());
      await until(async () => (await countWaiting(api)) === answers.length);
    }
    await release();
    const [first, second] = await Promise.all(answers);
    const made = order === 'after' ? second : first;
    expect(made?.status).toBe(order === 'after' ? 401 : 201);
    expect(await isGood(String(made?.body.key))).toBe(false);
  });
});

describe('no key is hidden behind many others', () => {
  async function readAll(send: Send, path: string): Promise<readonly string[]> {
    const names: string[] = [];
    let next = `${path}limit=100`;
    for (;;) {
      const { body } = await send('GET', next);
      names.push(...body.data.map(({ name }) => String(name)));
      if (body.has_more !== true) return names;
      next = `${path}limit=100&cursor=${body.next_cursor}`;
    }
  }

  test('neither from the merchant nor from operators', async () => {
    const apiKey = makeApiKey('test');
    await ensureApiKey(api.pool, { merchantId: MERCHANT.id, apiKey, name: 'evil' });
    await storeKeys(1_001, { revoked_at: new Date() });
    for (const [send, path] of [
      [api.send, KEYS],
      [admin, ADMIN_KEYS],
    ] as const) {
      const names = await readAll(send, `${path}?`);
      expect(names).toHaveLength(1_003);
      expect(names).toContain('evil');
      expect(await readAll(send, `${path}?status=live&`)).toEqual(['evil', '']);
    }
  });

  test('nor an operator behind many others', async () => {
    await api.database.queryAsOwner(
      `INSERT INTO operators (id, email, name, role, password_hash)
       SELECT 'opr_' || md5(n::text), n || '@example.test', 'filler', 'viewer', ''
       FROM generate_series(1, 1000) n`,
    );
    const names = await readAll(admin, '/api/v1/admin/operators?');
    expect(names).toHaveLength(1_001);
    expect(names).toContain('admin');
  });
});
