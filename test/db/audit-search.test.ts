import { type AuditFilter, type FoundAuditEntry, searchAudit } from '../../db/audit-search.ts';
import { newId } from '../../db/ids.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT, storePaymentIn } from '../factories.ts';

let database: TestDatabase;
beforeEach(async () => {
  database = await openTestDatabase();
  await ensureMerchant(database.pool, MERCHANT);
});
afterEach(() => database.close());

const ALL: AuditFilter = {
  merchantId: null,
  paymentId: null,
  actor: null,
  action: null,
  from: null,
  before: null,
};
const search = (filter: Partial<AuditFilter> = {}) =>
  searchAudit(database.pool, { ...ALL, ...filter }, { afterId: null, limit: 1000 });
const namesOf = (entries: readonly FoundAuditEntry[]) => entries.map(({ action }) => action);

test('entries of all payments are found, newest first, each with whose it is', async () => {
  const first = await storePaymentIn(database.pool, 'succeeded');
  const second = await storePaymentIn(database.pool, 'created');
  const found = await search();
  expect(found.map(({ payment_id, seq }) => [payment_id, seq])).toEqual([
    [second.id, 1],
    [first.id, 3],
    [first.id, 2],
    [first.id, 1],
  ]);
  expect(found[0]).toMatchObject({
    merchant_id: MERCHANT.id,
    hash: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
});

test('each filter leaves out what is not asked for', async () => {
  const other = { id: newId('merchant'), name: 'Duka la Pili' };
  await ensureMerchant(database.pool, other);
  const mine = await storePaymentIn(database.pool, 'succeeded');
  const others = await storePaymentIn(database.pool, 'processing', { merchantId: other.id });
  const settled = 'payment.succeeded';
  expect(namesOf(await search({ merchantId: other.id }))).toEqual([
    'payment.dispatched',
    'payment.created',
  ]);
  expect(await search({ paymentId: others.id })).toEqual(await search({ merchantId: other.id }));
  expect(namesOf(await search({ actor: 'merchant' }))).toEqual([
    'payment.created',
    'payment.created',
  ]);
  expect(namesOf(await search({ action: settled }))).toEqual([settled]);
  expect(await search({ merchantId: other.id, action: settled })).toEqual([]);
  expect(await search({ paymentId: mine.id, actor: 'sweeper' })).toEqual([]);
});

test('a time takes its begin in and leaves its end out', async () => {
  await storePaymentIn(database.pool, 'created');
  await database.changeBehindTheTrigger("UPDATE audit_entries SET at = '2026-11-24T09:00:00Z'");
  const [early, at, late] = ['08:59:59', '09:00:00', '09:00:01'].map((it) => `2026-11-24T${it}Z`);
  const found = async (from: string | undefined, before: string | undefined) =>
    (await search({ from: from ?? null, before: before ?? null })).length;
  expect(await found(at, late)).toBe(1);
  expect(await found(early, at)).toBe(0);
  expect(await found(late, undefined)).toBe(0);
});

test('pages of one show all, once each, also where many have the same time', async () => {
  for (const status of ['succeeded', 'failed', 'created'] as const) {
    await storePaymentIn(database.pool, status);
  }
  await database.changeBehindTheTrigger(
    "UPDATE audit_entries SET at = '2026-11-24T09:00:00Z' WHERE seq < 3",
  );
  const all = await search();
  expect(all).toHaveLength(7);
  const seen: FoundAuditEntry[] = [];
  for (let afterId: string | null = null; ; ) {
    const page = await searchAudit(database.pool, ALL, { afterId, limit: 1 });
    const [entry] = page;
    if (entry === undefined) break;
    seen.push(entry);
    afterId = entry.id;
  }
  expect(seen).toEqual(all);
});
