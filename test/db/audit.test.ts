import { findRecordedStep, listAudit, listBrokenLinks, verifyTrails } from '../../db/audit.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import type { Pool } from '../../db/pool.ts';
import { record } from '../../db/record.ts';
import { sql } from '../../db/sql.ts';
import type { Payment } from '../../domain/payment.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  freeReceipts,
  MERCHANT,
  makeOutcome,
  makeRecord,
  recordEvent,
  storePaymentIn,
} from '../factories.ts';

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
});
afterAll(() => database.close());
afterEach(() => freeReceipts(database));

/** A trail of three entries: created, dispatched, succeeded. */
async function storeStory(): Promise<Payment> {
  const payment = await storePaymentIn(pool, 'processing');
  const outcome = makeOutcome('succeeded');
  await recordEvent(pool, payment, 'succeeded', { key: 'callback', outcome });
  return payment;
}

test('the trail tells the whole story in its order', async () => {
  const payment = await storeStory();
  const entries = await listAudit(pool, payment.id);
  expect(
    entries.map(({ seq, action, from_status, to_status, actor }) => [
      seq,
      action,
      from_status,
      to_status,
      actor,
    ]),
  ).toEqual([
    [1, 'payment.created', null, 'created', 'merchant'],
    [2, 'payment.dispatched', 'created', 'processing', 'workflow'],
    [3, 'payment.succeeded', 'processing', 'succeeded', 'workflow'],
  ]);
  const money = { amount: 10_000, currency: 'KES', amount_text: 'KES 100.00' };
  expect(entries[0]?.details).toEqual({ provider: 'mpesa', ...money });
  const times = entries.map(({ at }) => at);
  expect(times).toEqual([...times].sort());
});

test('a step of one payment is known by its key, and to no other payment', async () => {
  const [payment, other] = [await storeStory(), await storePaymentIn(pool, 'processing')];
  const step = { changed: true, refused: false };
  expect(await findRecordedStep(pool, payment.id, 'callback')).toEqual(step);
  expect(await findRecordedStep(pool, payment.id, 'callback ')).toBe(null);
  expect(await findRecordedStep(pool, other.id, 'callback')).toBe(null);
});

test('numbers have no gaps, and the chain holds, when many write at once', async () => {
  const payment = await storePaymentIn(pool, 'processing');
  const pools = [pool, await database.openAnotherPool()] as const;
  await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      record(index % 2 === 0 ? pools[0] : pools[1], makeRecord(payment, { key: `k${index}` })),
    ),
  );
  const numbers = (await listAudit(pool, payment.id)).map(({ seq }) => seq);
  expect(numbers).toEqual(Array.from({ length: 42 }, (_, index) => index + 1));
  expect(await listBrokenLinks(pool, payment.id)).toEqual([]);
});

test('a write that was rolled back leaves no gap', async () => {
  const payment = await storePaymentIn(pool, 'processing');
  const broken = makeRecord({ ...payment, attemptId: 'att_none' });
  await expect(record(pool, { ...broken, providerPaymentId: 'ws_CO_1' })).rejects.toThrow();
  await record(pool, makeRecord(payment));
  expect((await listAudit(pool, payment.id)).map(({ seq }) => seq)).toEqual([1, 2, 3]);
});

test('number, time and hash are the database’s: a writer cannot choose them', async () => {
  const payment = await storeStory();
  await pool.query(sql.typeAlias('none')`
    INSERT INTO audit_entries (id, payment_id, seq, key, action, actor, cause, at, previous_hash,
      hash)
    VALUES ('aud_forged', ${payment.id}, 99, 'forged', 'payment.decided', 'operator', 'forged',
      '2001-01-01', '\\x00', '\\x00')`);
  const entry = (await listAudit(pool, payment.id)).at(-1);
  expect(entry).toMatchObject({ seq: 4, cause: 'forged' });
  expect(Date.now() - Date.parse(entry?.at ?? '')).toBeLessThan(60_000);
  expect(await listBrokenLinks(pool, payment.id)).toEqual([]);
});

const none = sql.typeAlias('none');
const CHANGES = [
  none`UPDATE audit_entries SET cause = 'nothing happened'`,
  none`UPDATE audit_entries SET cause = 'nothing happened' WHERE false`,
  none`DELETE FROM audit_entries`,
  none`TRUNCATE audit_entries`,
].map((query) => ({ query, text: query.sql }));

test.each(CHANGES)('the application may not: $text', async ({ query }) => {
  const payment = await storeStory();
  const before = await listAudit(pool, payment.id);
  await expect(pool.query(query)).rejects.toThrow('permission denied');
  expect(await listAudit(pool, payment.id)).toEqual(before);
});

test.each(CHANGES)('nor may the owner of the table: $text', async ({ text }) => {
  const payment = await storeStory();
  const before = await listAudit(pool, payment.id);
  await expect(database.queryAsOwner(text)).rejects.toThrow('audit_entries is append-only');
  expect(await listAudit(pool, payment.id)).toEqual(before);
});

const COLUMNS = [
  "cause = 'nothing happened'",
  "actor = 'operator'",
  "action = 'payment.decided'",
  "key = 'another'",
  "id = 'aud_another'",
  "from_status = 'needs_review'",
  'from_status = NULL',
  "to_status = 'failed'",
  `details = '{"receipt":"ANOTHER"}'`,
  "at = at + interval '1 microsecond'",
  "previous_hash = '\\x00'",
  "hash = '\\x00'",
];

test.each(COLUMNS)('a change behind the trigger’s back shows: %s', async (assignment) => {
  const payment = await storeStory();
  await database.changeBehindTheTrigger(
    `UPDATE audit_entries SET ${assignment} WHERE payment_id = $1 AND seq = 2`,
    [payment.id],
  );
  expect(await listBrokenLinks(pool, payment.id)).toContain(2);
});

test('a changed entry whose hash was made anew breaks the link after it', async () => {
  const payment = await storeStory();
  await database.changeBehindTheTrigger(
    `UPDATE audit_entries SET cause = 'nothing happened', hash = sha256('anew')
     WHERE payment_id = $1 AND seq = 2`,
    [payment.id],
  );
  expect(await listBrokenLinks(pool, payment.id)).toEqual([2, 3]);
});

test('an entry taken from the middle shows', async () => {
  const payment = await storeStory();
  await database.changeBehindTheTrigger(
    'DELETE FROM audit_entries WHERE payment_id = $1 AND seq = 2',
    [payment.id],
  );
  expect(await listBrokenLinks(pool, payment.id)).toEqual([3]);
});

test('what breaks one payment’s chain leaves all others whole', async () => {
  const [payment, other] = [await storeStory(), await storeStory()];
  await database.changeBehindTheTrigger(
    "UPDATE audit_entries SET cause = 'nothing happened' WHERE payment_id = $1",
    [payment.id],
  );
  expect(await listBrokenLinks(pool, payment.id)).toEqual([1, 2, 3]);
  expect(await listBrokenLinks(pool, other.id)).toEqual([]);
});

describe('all trails, followed page by page', () => {
  const verifyAll = async () => {
    const faults: unknown[] = [];
    for (let after: string | null = null; ; ) {
      const page = await verifyTrails(pool, after, 2);
      faults.push(...page.faults);
      if (page.lastId === null) return faults;
      after = page.lastId;
    }
  };
  /** What is forged may not fault the next case. */
  const forge = async (forgery: string) => {
    const payment = await storeStory();
    const before = await verifyAll();
    const isOfTrail = forgery.includes('audit_entries');
    if (isOfTrail) await database.changeBehindTheTrigger(forgery, [payment.id]);
    else await database.queryAsOwner(forgery, [payment.id]);
    const known = new Set(before.map((fault) => JSON.stringify(fault)));
    const fresh = (await verifyAll()).filter((fault) => !known.has(JSON.stringify(fault)));
    return { id: payment.id, fresh };
  };

  // table
  test.each([
    [
      'an entry that was changed',
      "UPDATE audit_entries SET cause = 'other' WHERE payment_id = $1 AND seq = 2",
      [['broken', 2]],
    ],
    [
      'an entry that is gone',
      'DELETE FROM audit_entries WHERE payment_id = $1 AND seq = 2',
      [['broken', 3]],
    ],
    [
      'a trail without its end',
      'DELETE FROM audit_entries WHERE payment_id = $1 AND seq = 3',
      [['cut_off', null]],
    ],
    [
      'a payment without a trail',
      'DELETE FROM audit_entries WHERE payment_id = $1',
      [['missing', null]],
    ],
    [
      'a status that was changed alone',
      "UPDATE payments SET status = 'failed' WHERE id = $1",
      [['cut_off', null]],
    ],
    ['nothing', "UPDATE payments SET metadata = '{}' WHERE id = $1", []],
  ] as const)('%s shows', async (_what, forgery, faults) => {
    const { id, fresh } = await forge(forgery);
    expect(fresh).toEqual(faults.map(([kind, seq]) => ({ payment_id: id, kind, seq })));
  });
});
