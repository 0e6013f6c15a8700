import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PAYMENTS_LEAST, planPayments } from '../../scripts/seed/plan.ts';
import { openStack, type Stack } from '../e2e/stack.ts';
import { type Ended, runScript, startScript } from './run-script.ts';

/** `npm run seed` as a person calls it: cut off, run again, and a third time; and what it left. */
const ARGS = ['--payments', String(PAYMENTS_LEAST + 12), '--days', '10'];
const COUNT = PAYMENTS_LEAST + 12;

type Group = { readonly at: string; readonly payments: number };
type Row = Readonly<Record<string, string | number | null>>;

let stack: Stack;
let environment: Readonly<Record<string, string>>;
let filled: Ended;
let signIn: string;
beforeAll(async () => {
  stack = await openStack();
  environment = { MALIPO_HOME: stack.folder };
}, 150_000);
afterAll(() => stack?.close(), 60_000);

async function read(text: string): Promise<readonly Row[]> {
  const { rows } = await stack.db.query<Row>(text);
  return rows;
}

async function get(path: string, token: string) {
  const { api_url } = stack.world.details();
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(`${api_url}/api/v1/${path}`, { headers });
  expect(answer.status).toBe(200);
  return JSON.parse(await answer.text());
}

/** Which rows there are of what happened. What is open may still move on. */
async function listIds(): Promise<readonly Row[]> {
  const tables = ['merchants', 'api_keys', 'payments', 'attempts', 'refunds', 'webhook_endpoints'];
  return await read(`${tables.map((it) => `SELECT id FROM ${it}`).join(' UNION ALL ')} ORDER BY 1`);
}

test.each([
  [['--payments', String(PAYMENTS_LEAST - 1)], 'at least'],
  [['--days', '0'], 'Usage'],
  [['--seed', 'x'], 'Usage'],
  [['--much'], 'Usage'],
])('%j is refused', async (args, why) => {
  const refused = await runScript('seed.ts', args, environment);
  expect(refused).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(why) });
});

test('it fills a sandbox that runs, and nothing else', async () => {
  const home = fs.mkdtempSync(join(tmpdir(), 'malipo-home-'));
  try {
    const before = await runScript('seed.ts', [], { MALIPO_HOME: home });
    const details = { ...stack.world.details(), api_url: 'http://127.0.0.1:1' };
    fs.writeFileSync(join(home, 'sandbox.json'), JSON.stringify(details));
    const ended = await runScript('seed.ts', [], { MALIPO_HOME: home });
    for (const { code, stderr } of [before, ended]) {
      expect([code, stderr]).toEqual([2, 'no sandbox runs: npm start\n']);
    }
  } finally {
    fs.rmSync(home, { recursive: true, force: true });
  }
});

test('a database that knows a live key is refused', async () => {
  const { database_url } = stack.world.details();
  const made = ['create-merchant', '--name', 'Real'];
  const { stdout } = await runScript('admin.ts', made, { DATABASE_URL: database_url });
  const [id = ''] = stdout.split(' ');
  const key = ['create-key', '--merchant', id, '--name', 'Web', '--live'];
  await runScript('admin.ts', key, { DATABASE_URL: database_url });
  const refused = await runScript('seed.ts', ARGS, environment);
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('live keys') });
  expect(await read('SELECT id FROM payments')).toEqual([]);
  await read(`DELETE FROM api_keys WHERE starts_with(prefix, 'sk_live_')`);
});

test('cut off and run again it ends, tells keys that open; a third run adds nothing', async () => {
  const first = startScript('seed.ts', ARGS, environment);
  while ((await read('SELECT id FROM payments')).length < 15) await sleep(50);
  first.child.kill('SIGKILL');
  expect((await first.ended).signal).toBe('SIGKILL');
  filled = await runScript('seed.ts', ARGS, environment);
  expect([filled.code, filled.stderr]).toEqual([0, '']);
  expect(filled.stdout).toContain(`${COUNT} payments of the last 10 days`);
  const keys = [...filled.stdout.matchAll(/^ {2}(sk_test_\w+)$/gm)];
  let listed = 0;
  for (const [, key = ''] of keys) {
    const { data } = await get('payments?limit=100', key);
    const times = data.map((it: { created_at: string }) => it.created_at);
    expect(times).toEqual(times.toSorted().reverse());
    listed += data.length;
  }
  expect([keys.length, listed]).toEqual([3, COUNT]);
  const before = await listIds();
  const again = await runScript('seed.ts', ARGS, environment);
  expect(again).toMatchObject({ code: 0, stderr: '' });
  expect(again.stdout).toContain('nothing was added');
  expect(await listIds()).toEqual(before);
}, 240_000);

test('operators see providers with all that happens to payments', async () => {
  const { api_url, operator } = stack.world.details();
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify(operator);
  const signedIn = await fetch(`${api_url}/api/v1/sessions`, { method: 'POST', headers, body });
  signIn = JSON.parse(await signedIn.text()).access_token;
  const from = new Date(Date.now() - 12 * 86_400_000).toISOString();
  const summary = await get(`admin/statistics/summary?created_from=${from}`, signIn);
  expect(summary.data.map(({ provider }: { provider: string }) => provider)).toEqual([
    'cpay',
    'mpesa',
    'stripe',
  ]);
  for (const provider of summary.data) {
    expect(Math.min(provider.succeeded, provider.failed)).toBeGreaterThan(0);
    if (provider.provider === 'mpesa') expect(provider.resolved_by_polling).toBeGreaterThan(0);
  }
  const groups: Group[] = (await get(`admin/statistics?created_from=${from}`, signIn)).data;
  expect(groups.reduce((sum, { payments }) => sum + payments, 0)).toBe(COUNT);
  expect(new Set(groups.map(({ at }) => at)).size).toBeGreaterThan(5);
  for (const [path, least] of [
    ['payments/in-review', 3],
    ['unmatched-receipts', 1],
    ['deliveries?status=failed', 1],
  ] as const) {
    expect((await get(`admin/${path}`, signIn)).data.length).toBeGreaterThanOrEqual(least);
  }
});

test('each outcome is there', async () => {
  const valuesOf = async (table: string, column: string) =>
    (await read(`SELECT DISTINCT ${column} AS it FROM ${table}`)).map(({ it }) => it);
  const statuses = [
    'authorized',
    'canceled',
    'failed',
    'needs_review',
    'requires_action',
    'succeeded',
  ];
  expect(await valuesOf('payments', 'status')).toEqual(expect.arrayContaining(statuses));
  expect(await valuesOf('payments', 'failure_code')).toEqual(
    expect.arrayContaining(['wrong_pin', 'insufficient_funds', 'payer_canceled', 'card_expired']),
  );
  expect(await valuesOf('refunds', 'status')).toEqual(
    expect.arrayContaining(['failed', 'succeeded']),
  );
  expect(await valuesOf('payments', 'disputes <> jsonb_build_array()')).toContain(true);
  expect(await valuesOf('deliveries', 'status')).toEqual(expect.arrayContaining(['succeeded']));
});

test('the trails verify, and can no more be changed than before', async () => {
  const { database_url } = stack.world.details();
  const verified = await runScript('admin.ts', ['verify-audit'], { DATABASE_URL: database_url });
  expect(verified).toMatchObject({ code: 0, stdout: `${COUNT} trails followed, 0 faults\n` });
  await expect(read('UPDATE audit_entries SET at = now()')).rejects.toThrow('append-only');
});

test('its times are in the past and in their order, with all that belongs together', async () => {
  // Those that nobody answers end after the seed has: their trails go on.
  const ended = `p.review_reason IS DISTINCT FROM 'no_answer'`;
  const trail = ['attempts a', 'refunds a', 'outgoing_events a'].map(
    (from) => `SELECT a.id FROM ${from} JOIN payments p ON p.id = a.payment_id
      WHERE ${ended} AND NOT a.created_at
        BETWEEN p.created_at - interval '1 second' AND p.created_at + interval '3 minutes'`,
  );
  const wrong = await read(
    `${trail.join(' UNION ALL ')}
     UNION ALL SELECT a.id FROM audit_entries a JOIN payments p ON p.id = a.payment_id
     WHERE (a.seq = 1 AND abs(extract(epoch FROM a.at - p.created_at)) > 2)
       OR (${ended} AND a.at > p.created_at + interval '3 minutes')
       OR a.at < (SELECT at FROM audit_entries b WHERE b.payment_id = p.id AND b.seq = a.seq - 1)
     UNION ALL SELECT e.id FROM webhook_events e JOIN payments p ON p.id = payment_id
     WHERE ${ended} AND NOT e.received_at
       BETWEEN p.created_at AND p.created_at + interval '3 minutes'
     UNION ALL SELECT d.id FROM deliveries d JOIN outgoing_events e ON e.id = event_id
     WHERE payment_id IS NOT NULL AND abs(extract(epoch FROM d.created_at - e.created_at)) > 5
     UNION ALL SELECT delivery_id FROM delivery_attempts t JOIN deliveries d ON d.id = delivery_id
     JOIN outgoing_events e ON e.id = event_id
     WHERE payment_id IS NOT NULL
       AND NOT t.at BETWEEN d.created_at AND d.created_at + interval '3 minutes'
     UNION ALL SELECT p.id FROM payments p JOIN merchants m ON m.id = merchant_id
     WHERE p.created_at < m.created_at OR p.created_at < now() - interval '12 days'
       OR p.completed_at < p.created_at OR p.updated_at < p.created_at
       OR p.created_at > now() - interval '1 minute'`,
  );
  expect(wrong).toEqual([]);
});

test('nothing is left that would go wrong by itself', async () => {
  expect(await read('SELECT url FROM webhook_endpoints WHERE active')).toEqual([]);
  expect(await read(`SELECT id FROM webhook_events WHERE status = 'received'`)).toEqual([]);
  expect(
    await read(`SELECT id FROM payments
    WHERE look_back_at IS NOT NULL AND review_reason IS DISTINCT FROM 'no_answer'`),
  ).toEqual([]);
});

test('the same seed plans the same, another one something else; of each kind there is one', () => {
  const plan = (seed: number) => planPayments({ seed, payments: 200, days: 30 }, 1.8e12);
  expect(plan(7)).toEqual(plan(7));
  expect(plan(7)).not.toEqual(plan(8));
  const least = planPayments({ seed: 1, payments: PAYMENTS_LEAST, days: 5 }, 1.8e12);
  expect(new Set(least.map(({ key }) => key)).size).toBe(PAYMENTS_LEAST);
  const steps = [...new Set(least.map(({ step }) => step))];
  expect(steps).toHaveLength(10);
  const phones = plan(7).flatMap(({ body }) => body.customer?.phone ?? []);
  const isTooSoon = phones.some((phone, nth) => phones.indexOf(phone, nth + 1) - nth === 1);
  expect(isTooSoon).toBe(false);
});
