import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Pool } from '../../db/pool.ts';
import type { Payment } from '../../domain/payment.ts';
import { storePaymentIn } from '../factories.ts';
import { listStored, makeStkCallback, makeStripeEvent, sign, stkPath } from './callbacks.ts';
import { openTestApi, SECRETS, type TestApi } from './server.ts';

/**
 * A callback comes once. Whatever keeps a proven one from being stored, Temporal takes it; it is
 * refused only when both stores refuse.
 */
const RECEIPT = 'UJ7A1B2C3D';
let api: TestApi;
const others: TestApi[] = [];
/** What the next statement of the callbacks' pool fails with; null lets it through. */
let broken: Error | null = null;
beforeAll(async () => {
  api = await openTestApi({
    adapt: (deps) => ({ ...deps, callbackPool: breakable(deps.callbackPool) }),
  });
  // PostgreSQL itself refuses a row, by the code that its receipt names.
  await api.database.queryAsOwner(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      RAISE EXCEPTION 'refused by this test' USING ERRCODE = right(NEW.event->>'receipt', 5);
    END $$;
    CREATE TRIGGER refusing BEFORE INSERT ON webhook_events FOR EACH ROW
      WHEN (NEW.event->>'receipt' LIKE 'REFUSE%') EXECUTE FUNCTION refuse()`);
});
beforeEach(() => {
  broken = null;
  api.engine.reset();
});
afterAll(async () => {
  for (const each of [api, ...others]) await each?.close();
});

function breakable(pool: Pool): Pool {
  const through = <T>(ask: () => Promise<T>) => (broken ? Promise.reject(broken) : ask());
  return {
    ...pool,
    one: (query) => through(() => pool.one(query)),
    anyFirst: (query) => through(() => pool.anyFirst(query)),
  };
}

/** Another session holds the table for as long as `during` takes. */
async function lockTable(
  { database }: TestApi,
  during: (owner: pg.Client) => Promise<void>,
): Promise<void> {
  const owner = new pg.Client({ connectionString: database.adminUrl });
  await owner.connect();
  try {
    await owner.query('BEGIN; LOCK TABLE webhook_events IN ACCESS EXCLUSIVE MODE');
    await during(owner);
    await owner.query('ROLLBACK');
  } finally {
    await owner.end();
  }
}

/** Another API, and a payment there; from then on each of its sessions has the setting. */
async function openWith(setting: string) {
  const at = await openTestApi();
  others.push(at);
  const payment = await storePaymentIn(at.pool, 'processing');
  await at.database.queryAsOwner(
    `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET ${setting}', current_database()); END $$`,
  );
  // Whoever connects again has it.
  await at.database.queryAsOwner(`
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`);
  return { at, payment };
}

async function call(receipt = RECEIPT) {
  return await callAbout(api, await storePaymentIn(api.pool, 'processing'), receipt);
}
async function callAbout(at: TestApi, payment: Payment, receipt = RECEIPT) {
  const body = makeStkCallback({ receipt });
  const answer = await at.send('POST', stkPath(at, payment), { body });
  return { answer, workflowId: payment.workflowId, receipt };
}

/** It was answered well, and the payment's workflow has it, with all that is to be stored. */
function expectTaken(called: Awaited<ReturnType<typeof call>>, at = api): void {
  const { answer, workflowId, receipt } = called;
  expect(answer.status).toBe(200);
  const delivered = at.engine.delivered.filter((it) => it.workflowId === workflowId);
  expect(delivered).toMatchObject([
    { event: { event: { kind: 'succeeded', receipt }, unstored: { provider: 'mpesa' } } },
  ]);
}

// biome-ignore format: table, one code per line
const STATES = [
  ['25006', 'takes no writes, as in a failover'],
  ['53100', 'has no disk left'],
  ['53200', 'has no memory left'],
  ['53400', 'is at a limit of its configuration'],
  ['55P03', 'cannot lock'],
  ['57014', 'was told to cancel'],
  ['40P01', 'found a deadlock'],
  ['40001', 'could not serialize'],
  ['58030', 'cannot read its disk'],
  ['57P03', 'starts'],
  ['XX000', 'has a fault of its own'],
  ['XX001', 'has damaged data'],
  ['42501', 'lets us no longer write'],
  ['42P01', 'lacks a table'],
  ['22001', 'takes no text as long as this'],
  ['23514', 'has a rule against it'],
  ['54000', 'has an index that cannot hold it'],
] as const;
test('whatever the database says, by its code', async () => {
  const calls = await Promise.all(STATES.map(([state]) => call(`REFUSE${state}`)));
  for (const called of calls) expectTaken(called);
  expect(await listStored(api)).toEqual([]);
});

// biome-ignore format: table, one fault per line
const FAULTS = [
  ['no route to the server', lineFault('EHOSTUNREACH')],
  ['no network', lineFault('ENETUNREACH')],
  ['a line that was reset', lineFault('ECONNRESET')],
  ['a mistake of ours', new TypeError('x is not a function')],
  ['what nobody has heard of', new Error('surprise')],
] as const;
test.each(FAULTS)('%s', async (_what, error) => {
  broken = error;
  expectTaken(await call());
});
function lineFault(code: string): Error {
  return Object.assign(new Error(`read ${code}`), { code, syscall: 'read', errno: -1 });
}

test('a database that really is read-only', async () => {
  const { at, payment } = await openWith('default_transaction_read_only = on');
  expectTaken(await callAbout(at, payment), at);
});

test('merchants read on meanwhile, and what they send is told to come again', async () => {
  const { at, payment } = await openWith('default_transaction_read_only = on');
  expect(await at.send('GET', `/api/v1/payments/${payment.id}`)).toMatchObject({ status: 200 });
  const body = { provider: 'mpesa', amount: 10_000, currency: 'KES' };
  const customer = { phone: '0712345678' };
  const answer = await at.send('POST', '/api/v1/payments', { body: { ...body, customer } });
  expect(answer).toMatchObject({ status: 503, body: { code: 'temporarily_unavailable' } });
  expect(answer.body.detail).toContain('takes no writes');
  expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
  // In rotation still: a callback has nowhere else to go.
  expect((await at.send('GET', '/readyz')).status).toBe(200);
  expect(await at.send('GET', '/api/v1/health')).toMatchObject({
    status: 503,
    body: { status: 'unavailable', components: { database: 'read_only' } },
  });
});

test('a table that stays locked beyond the time to wait for it', async () => {
  const { at, payment } = await openWith("lock_timeout = ''50ms''");
  await lockTable(at, async () => expectTaken(await callAbout(at, payment), at));
});

const LOCKED = `SELECT pid FROM pg_stat_activity
  WHERE wait_event_type = 'Lock' AND datname = current_database()`;
/** @returns how many were cancelled. */
const cancelLocked = async () =>
  (await api.database.queryAsOwner(`SELECT pg_cancel_backend(pid) FROM (${LOCKED}) w`)).length;

test('an administrator who cancels what waits', async () => {
  await lockTable(api, async () => {
    const until = { isAnswered: false };
    const answered = call().finally(() => {
      until.isAnswered = true;
    });
    while (!until.isAnswered) {
      await cancelLocked();
      await sleep(20);
    }
    expectTaken(await answered);
  });
});

test('what mends by itself is tried again, and then stored as ever', async () => {
  await lockTable(api, async (owner) => {
    const answered = call();
    while ((await cancelLocked()) === 0) await sleep(20);
    await owner.query('COMMIT');
    expect((await answered).answer.status).toBe(200);
  });
  expect(await listStored(api)).toMatchObject([{ status: 'received', delivery_count: 1 }]);
  expect(api.engine.delivered).toMatchObject([{ event: { unstored: null } }]);
});

test.each(['25006', '23514', 'XX000'])('%s, and Temporal is away: send it again', async (state) => {
  api.engine.workflows = 'away';
  const { answer } = await call(`REFUSE${state}`);
  expect(answer).toMatchObject({ status: 503, body: { code: 'temporarily_unavailable' } });
  expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
});

test('a signed one is held by a workflow of its own, and judged when it is stored', async () => {
  const { workflowId } = await storePaymentIn(api.pool, 'processing', {
    provider: 'stripe',
    credentialsRef: 'env:stripe',
  });
  broken = lineFault('EHOSTUNREACH');
  const sent = sign('stripe', makeStripeEvent('evt_1', workflowId), SECRETS.stripe[1]);
  expect(await api.send('POST', '/api/v1/webhooks/stripe', sent)).toMatchObject({ status: 200 });
  expect(api.engine.delivered).toEqual([]);
  expect(api.engine.held).toMatchObject([{ workflowId, account: 'env:stripe' }]);
});
