import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readPolicies } from '../../config/policies.ts';
import { listBrokenLinks } from '../../db/audit.ts';
import { listUndispatched } from '../../db/delivery-turns.ts';
import { authenticate } from '../../db/merchants.ts';
import { FAILURES } from '../../domain/error.ts';
import { isId } from '../../domain/id.ts';
import { REVIEW_REASONS } from '../../domain/payment.ts';
import { PAYMENT_EVENTS, PAYMENT_STATES, PAYMENT_STATUSES } from '../../domain/payment-states.ts';
import { REFUND_FAILURES } from '../../domain/refund.ts';
import { REFUND_STATUSES } from '../../domain/refund-states.ts';
import { planPayments } from '../../scripts/seed/plan.ts';
import { openOperator } from '../api/operators.ts';
import { openTestApi, type TestApi } from '../api/server.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { type Ended, runScript, startScript } from './run-script.ts';

/** `npm run seed` as a person calls it, once; and what it left. */
const KEYS = {
  MALIPO_PUBLIC_URL: 'https://pay.example.test',
  MALIPO_HASH_KEY: randomBytes(32).toString('base64'),
  MALIPO_DATA_KEYS: `k1:${randomBytes(32).toString('base64')}`,
};
const environmentOf = ({ adminUrl, appUrl }: Pick<TestDatabase, 'adminUrl' | 'appUrl'>) => ({
  ...KEYS,
  DATABASE_URL: appUrl,
  MALIPO_MIGRATE_DATABASE_URL: adminUrl,
  MALIPO_ENVIRONMENT: 'sandbox',
});
const COUNT = 420;

let api: TestApi;
let told: Ended;
beforeAll(async () => {
  api = await openTestApi();
  told = await runScript('seed.ts', [], environmentOf(api.database));
}, 240_000);
afterAll(() => api.close());

const query = <Row extends Record<string, unknown>>(text: string) =>
  api.database.queryAsOwner<Row>(text);
/** The values of a column, each once, without nulls. */
async function valuesOf(table: string, column: string): Promise<readonly string[]> {
  const rows = await query<{ value: string }>(
    `SELECT DISTINCT ${column} AS value FROM ${table} WHERE ${column} IS NOT NULL ORDER BY 1`,
  );
  return rows.map(({ value }) => value);
}
const sorted = (list: readonly string[]) => list.toSorted();

/** All rows of all tables that hold what happened, by their content. */
async function readAll(database: TestDatabase): Promise<Readonly<Record<string, unknown>>> {
  const tables = await database.queryAsOwner<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'
     AND tablename NOT IN ('pgmigrations', 'rate_limits')`,
  );
  expect(tables.length).toBeGreaterThan(12);
  const read: Record<string, unknown> = {};
  for (const { name } of tables) {
    const text = `SELECT md5(string_agg(md5(t::text), '' ORDER BY t::text)) AS sum, count(t)
      FROM ${name} t`;
    read[name] = (await database.queryAsOwner(text))[0];
  }
  return read;
}

test('it tells what it did, and keys that open; a second run adds nothing', async () => {
  expect([told.code, told.stderr]).toEqual([0, '']);
  expect(told.stdout).toContain(`${COUNT} payments`);
  const keys = [...told.stdout.matchAll(/^ {2}(?:Web shop|Reports) +(sk_test_\w+)$/gm)];
  expect(keys).toHaveLength(6);
  const before = await readAll(api.database);
  const again = await runScript('seed.ts', [], environmentOf(api.database));
  expect([again.code, again.stderr]).toEqual([0, '']);
  expect(again.stdout).toContain(`${COUNT} payments were there before`);
  expect(again.stdout).not.toContain('sk_test_');
  expect(await readAll(api.database)).toEqual(before);
  const merchants = new Set<string | undefined>();
  for (const [, key = ''] of keys) {
    merchants.add((await authenticate(api.pool, key))?.merchantId);
  }
  expect(merchants.size).toBe(3);
  expect([...merchants].every((id) => isId('merchant', id ?? ''))).toBe(true);
}, 240_000);

test('each status, provider, failure and reason is there', async () => {
  expect(await valuesOf('payments', 'status')).toEqual(sorted(PAYMENT_STATUSES));
  expect(await valuesOf('payments', 'provider')).toEqual(['cpay', 'mpesa', 'stripe']);
  expect(await valuesOf('payments', 'failure_code')).toEqual(sorted(Object.keys(FAILURES)));
  expect(await valuesOf('payments', 'review_reason')).toEqual(sorted(REVIEW_REASONS));
  expect(await valuesOf('refunds', 'status')).toEqual(sorted(REFUND_STATUSES));
  expect(await valuesOf('refunds', 'failure_code')).toEqual(sorted(Object.keys(REFUND_FAILURES)));
  expect(await valuesOf('webhook_events', 'status')).toEqual(['applied', 'parked']);
  expect(await valuesOf('deliveries', 'status')).toEqual(['canceled', 'failed', 'succeeded']);
  const states = ['created', 'processing', 'requires_action', 'authorized'];
  const open = await query<{ status: string }>(
    `SELECT DISTINCT status FROM payments WHERE completed_at IS NULL AND status <> 'needs_review'`,
  );
  expect(sorted(open.map(({ status }) => status))).toEqual(sorted(states));
});

test('the sums agree with what came in and went back', async () => {
  const wrong = await query(
    `SELECT p.id FROM payments p LEFT JOIN LATERAL (
       SELECT coalesce(sum(amount) FILTER (WHERE status = 'succeeded'), 0) AS refunded,
         coalesce(sum(amount) FILTER (WHERE status IN ('pending', 'needs_review')), 0) AS reserved
       FROM refunds WHERE payment_id = p.id) r ON true
     WHERE p.amount_refunded <> r.refunded OR p.amount_reserved <> r.reserved
       OR p.amount_captured <> CASE WHEN p.status = 'succeeded' THEN p.amount ELSE 0 END
       OR p.amount_refunded + p.amount_reserved > p.amount_captured
       OR (p.provider = 'mpesa' AND (p.amount % 100 <> 0 OR p.currency <> 'KES'))`,
  );
  expect(wrong).toEqual([]);
});

test('each trail is whole, and goes by the table to where its payment stands', async () => {
  const payments = await query<{ id: string; status: string }>('SELECT id, status FROM payments');
  expect(payments).toHaveLength(COUNT);
  for (const { id } of payments)
    expect([id, await listBrokenLinks(api.pool, id)]).toEqual([id, []]);
  const moves = new Set(
    PAYMENT_STATUSES.flatMap((from) =>
      PAYMENT_EVENTS.map((event) => `${from} ${PAYMENT_STATES[from][event]}`),
    ),
  );
  const steps = await query<{ move: string }>(
    `SELECT DISTINCT from_status || ' ' || to_status AS move FROM audit_entries
     WHERE action LIKE 'payment.%' AND from_status <> to_status`,
  );
  expect(steps.length).toBeGreaterThan(8);
  expect(steps.filter(({ move }) => !moves.has(move))).toEqual([]);
  expect(await valuesOf('audit_entries', 'action')).not.toContain('payment.transition_refused');
  const ends = await query(
    `SELECT p.id FROM payments p WHERE status <> (SELECT to_status FROM audit_entries a
       WHERE a.payment_id = p.id AND action LIKE 'payment.%' ORDER BY seq DESC LIMIT 1)`,
  );
  expect(ends).toEqual([]);
});

test('its times are in the past, in their order, and as its ids say', async () => {
  const wrong = await query(
    `SELECT p.id FROM payments p JOIN attempts a ON a.payment_id = p.id
     WHERE p.created_at < now() - interval '32 days'
       OR greatest(p.updated_at, p.completed_at) > now()
       OR p.updated_at < p.created_at OR p.completed_at < p.created_at
       OR a.created_at <> p.created_at OR a.dispatched_at < a.created_at
       OR a.settled_at < a.dispatched_at OR abs(extract(epoch FROM p.created_at) * 1000
         - ('x' || substr(p.id, 5, 12))::bit(48)::bigint) > 1
     UNION ALL SELECT p.id FROM payments p JOIN merchants m ON m.id = merchant_id
     WHERE p.created_at < m.created_at
     UNION ALL SELECT d.id FROM deliveries d JOIN webhook_endpoints w ON w.id = endpoint_id
     WHERE d.created_at < w.created_at
     UNION ALL SELECT r.id FROM refunds r JOIN payments p ON p.id = payment_id
     WHERE r.created_at < p.completed_at OR r.updated_at < r.created_at OR r.updated_at > now()
     UNION ALL SELECT e.id FROM webhook_events e JOIN payments p ON p.id = payment_id
     WHERE NOT e.received_at BETWEEN p.created_at AND p.updated_at
     UNION ALL SELECT d.id FROM deliveries d JOIN outgoing_events e ON e.id = event_id
     WHERE d.created_at < e.created_at OR d.updated_at < d.created_at
     UNION ALL SELECT e.id FROM outgoing_events e JOIN payments p ON p.id = payment_id
     WHERE NOT e.created_at BETWEEN p.created_at AND p.updated_at`,
  );
  expect(wrong).toEqual([]);
});

test('nothing of it is sent by a worker that runs', async () => {
  expect(await listUndispatched(api.pool, readPolicies({}, null).delivery_limits, 10)).toEqual([]);
  expect(await query(`SELECT id FROM webhook_events WHERE status = 'received'`)).toEqual([]);
});

test('the statistics show a curve that rises', async () => {
  const { send } = await openOperator(api, 'viewer');
  const from = new Date(Date.now() - 32 * 86_400_000).toISOString();
  const answer = await send('GET', `/api/v1/admin/statistics?step=day&created_from=${from}`);
  const counts = new Map<string, number>();
  for (const { at, payments } of answer.body.data) {
    const day = String(at).slice(0, 10);
    counts.set(day, (counts.get(day) ?? 0) + Number(payments));
  }
  const days = [...counts.values()];
  const sum = (list: readonly number[]) => list.reduce((total, count) => total + count, 0);
  expect(sum(days)).toBe(COUNT);
  expect(days.length).toBeGreaterThan(27);
  expect(sum(days.slice(-10))).toBeGreaterThan(sum(days.slice(0, 10)) * 1.2);
});

test('the same seed plans the same, another one something else', () => {
  const plan = (seed: number) => JSON.stringify(planPayments(seed, 1.8e12, 60));
  expect(plan(7)).toBe(plan(7));
  expect(plan(7)).not.toBe(plan(8));
});

test('killed in the middle and run again, it is as if it had not been', async () => {
  const database = await openTestDatabase();
  try {
    const first = startScript('seed.ts', ['--seed', '2'], environmentOf(database));
    const stored = async () => (await database.queryAsOwner('SELECT id FROM payments')).length;
    while ((await stored()) < 20) await sleep(20);
    first.child.kill('SIGKILL');
    expect((await first.ended).signal).toBe('SIGKILL');
    expect(await stored()).toBeLessThan(COUNT);
    const second = await runScript('seed.ts', ['--seed', '2'], environmentOf(database));
    expect([second.code, second.stderr]).toEqual([0, '']);
    const created = await database.queryAsOwner<{ created_at: Date }>(
      `SELECT min(created_at) + interval '31 days' AS created_at FROM merchants`,
    );
    const planned = planPayments(2, created[0]?.created_at.getTime() ?? 0, COUNT);
    const rows = await database.queryAsOwner<{ id: string; status: string }>(
      'SELECT id, status FROM payments ORDER BY id',
    );
    expect(rows).toEqual(
      planned
        .map(({ id, ending }) => ({ id, status: ending.status }))
        .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    );
  } finally {
    await database.close();
  }
}, 240_000);

test('without DATABASE_URL it fills the sandbox that runs', async () => {
  const home = fs.mkdtempSync(join(tmpdir(), 'malipo-home-'));
  try {
    const none = await runScript('seed.ts', [], { MALIPO_HOME: home });
    expect([none.code, none.stderr]).toEqual([
      2,
      'no sandbox runs: npm start, or set DATABASE_URL\n',
    ]);
    const write = (name: string, content: object) =>
      fs.writeFileSync(join(home, name), JSON.stringify(content));
    write('sandbox.json', {
      database_url: api.database.appUrl,
      owner_database_url: api.database.adminUrl,
      api_url: KEYS.MALIPO_PUBLIC_URL,
    });
    write('secrets.json', { data_keys: KEYS.MALIPO_DATA_KEYS, hash_key: KEYS.MALIPO_HASH_KEY });
    const found = await runScript('seed.ts', [], { MALIPO_HOME: home });
    expect([found.code, found.stderr]).toEqual([0, '']);
    expect(found.stdout).toContain(`${COUNT} payments were there before`);
  } finally {
    fs.rmSync(home, { recursive: true, force: true });
  }
});

describe('it refuses', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await openTestDatabase();
  });
  afterAll(() => database.close());
  const isEmpty = async () =>
    (await database.queryAsOwner('SELECT id FROM merchants')).length === 0;

  test.each([
    ['production', { MALIPO_ENVIRONMENT: 'production' }, 'is production'],
    ['a live environment', { MALIPO_ENVIRONMENT: 'live' }, 'MALIPO_ENVIRONMENT'],
  ])('%s', async (_what, more, why) => {
    const refused = await runScript('seed.ts', [], { ...environmentOf(database), ...more });
    expect(refused).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(why) });
    expect(await isEmpty()).toBe(true);
  });

  test('what is not said to be a sandbox', async () => {
    const environment = { ...KEYS, DATABASE_URL: database.appUrl };
    const refused = await runScript('seed.ts', [], environment);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toContain('is production');
    expect(await isEmpty()).toBe(true);
  });

  test.each([[['--seed', 'x']], [['--much']], [['--seed', '-1']]])('%j', async (args) => {
    const refused = await runScript('seed.ts', args, environmentOf(database));
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('Usage') });
    expect(await isEmpty()).toBe(true);
  });

  // table
  test.each([
    [{ MALIPO_MIGRATE_DATABASE_URL: '' }, 'set MALIPO_MIGRATE_DATABASE_URL to the role that owns'],
    [() => ({ MALIPO_MIGRATE_DATABASE_URL: database.appUrl }), 'has to name the role that owns'],
    [() => ({ DATABASE_URL: database.adminUrl }), 'is a superuser'],
  ])('a login that does not fit (%#)', async (more, why) => {
    const own = typeof more === 'function' ? more() : more;
    const refused = await runScript('seed.ts', [], { ...environmentOf(database), ...own });
    expect(refused).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(why) });
    expect(await isEmpty()).toBe(true);
  });

  test('a database that knows a live key', async () => {
    const made = ['create-merchant', '--name', 'Real'];
    const { stdout } = await runScript('admin.ts', made, { DATABASE_URL: database.appUrl });
    const [id = ''] = stdout.split(' ');
    const key = ['create-key', '--merchant', id, '--name', 'Web', '--live'];
    await runScript('admin.ts', key, { DATABASE_URL: database.appUrl });
    const refused = await runScript('seed.ts', [], environmentOf(database));
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('live keys') });
    expect(await database.queryAsOwner('SELECT id FROM payments')).toEqual([]);
  });
});
