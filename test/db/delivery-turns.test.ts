import { insertTestDelivery, resendDelivery } from '../../db/deliveries.ts';
import { recordDeliveryAttempt } from '../../db/delivery-runs.ts';
import {
  beginAnotherRun,
  listOverdue,
  listUndispatched,
  markDispatched,
} from '../../db/delivery-turns.ts';
import { newId } from '../../db/ids.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { storeEndpoint } from '../factories.ts';

/** Whose delivery is started next: turns of merchants, then of endpoints, and so many at once. */
const LIMITS = { first_tries_max: 5, first_tries_per_endpoint_max: 3 };
const SCHEDULE_MS = [5_000, 3_600_000];

let database: TestDatabase;
beforeEach(async () => {
  database = await openTestDatabase();
});
afterEach(() => database.close());

type Endpoint = { readonly id: string; readonly merchantId: string };

async function openMerchant(): Promise<string> {
  const id = newId('merchant');
  await ensureMerchant(database.pool, { id, name: 'Duka' });
  return id;
}
async function openEndpoint(merchantId?: string): Promise<Endpoint> {
  const of = merchantId ?? (await openMerchant());
  return {
    id: (await storeEndpoint(database.pool, { merchantId: of })).endpoint.id,
    merchantId: of,
  };
}
/** Oldest first: ids of one millisecond have no order. */
async function store(endpoint: Endpoint, count: number): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let nth = 0; nth < count; nth += 1) {
    ids.push(await insertTestDelivery(database.pool, endpoint));
    const madeMs = Date.now();
    while (Date.now() === madeMs) await new Promise(setImmediate);
  }
  return ids;
}
const list = async (limit = 100) =>
  (await listUndispatched(database.pool, LIMITS, limit)).map(({ id }) => id);
/** What a dispatcher does. @returns whose turn it was. */
async function startNext(limit = 100): Promise<readonly string[]> {
  const runs = await listUndispatched(database.pool, LIMITS, limit);
  await markDispatched(database.pool, runs);
  return runs.map(({ id }) => id);
}
/** Writes down a try of a delivery that failed, or arrived. */
const tryOnce = (deliveryId: string, endpoint: Endpoint, isDelivered: boolean) =>
  recordDeliveryAttempt(database.pool, {
    deliveryId,
    endpointId: endpoint.id,
    durationMs: 1,
    statusCode: isDelivered ? 200 : 500,
    error: null,
    response: null,
    isDelivered,
    goneReason: null,
    scheduleMs: SCHEDULE_MS,
    disableAfterMs: 86_400_000,
  });
const rows = (ids: readonly string[]) =>
  database.queryAsOwner<{ run: number; run_attempts: number; overdue_in_s: number | null }>(
    `SELECT run, run_attempts, round(extract(epoch FROM overdue_at - now()))::int AS overdue_in_s
     FROM deliveries WHERE id = ANY ($1) ORDER BY id`,
    [ids],
  );
const makeOverdue = (ids: readonly string[]) =>
  database.queryAsOwner(
    "UPDATE deliveries SET overdue_at = now() - interval '1 second' WHERE id = ANY ($1)",
    [ids],
  );

test('merchants have their turns one after the other, however much one has', async () => {
  const [much, few, one] = [await openEndpoint(), await openEndpoint(), await openEndpoint()];
  const [a, b, c] = [await store(much, 30), await store(few, 2), await store(one, 1)];
  expect(await list()).toEqual([a[0], b[0], c[0], a[1], b[1], a[2]]);
  expect(await list(4)).toEqual([a[0], b[0], c[0], a[1]]);
});

test('of one merchant its endpoints have their turns, the oldest delivery first', async () => {
  const merchantId = await openMerchant();
  const [first, second, third] = [
    await openEndpoint(merchantId),
    await openEndpoint(merchantId),
    await openEndpoint(merchantId),
  ];
  const [a, b, c] = [await store(first, 9), await store(second, 1), await store(third, 1)];
  expect(await list()).toEqual([a[0], b[0], c[0], a[1], a[2]]);
});

test('who has less under way comes first', async () => {
  const [busy, idle] = [await openEndpoint(), await openEndpoint()];
  const a = await store(busy, 6);
  expect(await startNext(2)).toEqual([a[0], a[1]]);
  const b = await store(idle, 3);
  expect(await list()).toEqual([b[0], b[1], a[2], b[2]]);
});

test('an endpoint has so many before their first try, and its merchant not many more', async () => {
  const merchantId = await openMerchant();
  const [first, second] = [await openEndpoint(merchantId), await openEndpoint(merchantId)];
  const a = await store(first, 9);
  expect(await startNext()).toEqual(a.slice(0, 3));
  expect(await startNext()).toEqual([]);
  const b = await store(second, 9);
  expect(await startNext()).toEqual(b.slice(0, 2));
  // A place is free when one of them arrived, and when one failed and waits for hours.
  await tryOnce(a[0] ?? '', first, true);
  expect(await startNext()).toEqual([a[3]]);
  await tryOnce(b[0] ?? '', second, false);
  expect(await startNext()).toEqual([b[2]]);
  expect(await startNext()).toEqual([]);
});

test('two dispatchers that look at once take the same, and mark it as one', async () => {
  const endpoint = await openEndpoint();
  await store(endpoint, 9);
  const { pool } = database;
  const seen = [await listUndispatched(pool, LIMITS, 9), await listUndispatched(pool, LIMITS, 9)];
  expect(seen[0]).toEqual(seen[1]);
  await Promise.all(seen.map((runs) => markDispatched(pool, runs)));
  expect(await startNext()).toEqual([]);
});

test('what was started before a crash and never marked is started again in its turn', async () => {
  const endpoint = await openEndpoint();
  const [done = '', open = ''] = await store(endpoint, 2);
  await tryOnce(done, endpoint, true);
  await tryOnce(open, endpoint, false);
  expect(await startNext()).toEqual([done, open]);
  expect(await startNext()).toEqual([]);
});

test('it is overdue some time after its next try was due, and then takes no place', async () => {
  const endpoint = await openEndpoint();
  const ids = await store(endpoint, 9);
  const [first = '', second = ''] = ids;
  await startNext();
  expect(await rows([first])).toEqual([{ run: 1, run_attempts: 0, overdue_in_s: 600 }]);
  await tryOnce(first, endpoint, false);
  expect(await rows([first])).toMatchObject([{ overdue_in_s: 605 }]);
  await tryOnce(first, endpoint, false);
  expect(await rows([first])).toMatchObject([{ overdue_in_s: 4_200 }]);
  expect(await startNext()).toEqual([ids[3]]);
  expect(await listOverdue(database.pool, 10)).toEqual([]);
  await makeOverdue([second]);
  expect(await listOverdue(database.pool, 10)).toEqual([{ id: second, run: 1 }]);
  expect(await startNext()).toEqual([ids[4]]);
});

test('only what was started and is not over is overdue', async () => {
  const endpoint = await openEndpoint();
  const [waiting = '', delivered = '', again = '', lost = ''] = await store(endpoint, 4);
  const { pool } = database;
  const started = [delivered, again, lost].map((id) => ({ id, run: 1 }));
  await markDispatched(pool, started);
  for (const id of [delivered, again]) await tryOnce(id, endpoint, true);
  await resendDelivery(pool, again);
  await makeOverdue([waiting, delivered, again, lost]);
  expect(await listOverdue(pool, 10)).toEqual([{ id: lost, run: 1 }]);
});

test('another run goes on in the schedule; none is begun of what is over or anew', async () => {
  const endpoint = await openEndpoint();
  const [lost = '', delivered = '', again = ''] = await store(endpoint, 3);
  const { pool } = database;
  await startNext();
  await tryOnce(lost, endpoint, false);
  for (const id of [delivered, again]) await tryOnce(id, endpoint, true);
  await resendDelivery(pool, again);
  await beginAnotherRun(
    pool,
    [lost, delivered, again].map((id) => ({ id, run: 1 })),
  );
  expect(await rows([lost, delivered, again])).toMatchObject([
    { run: 2, run_attempts: 1 },
    { run: 1, run_attempts: 1 },
    { run: 2, run_attempts: 0 },
  ]);
  expect(await list()).toEqual([lost, again]);
});
