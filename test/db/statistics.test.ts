import { ensureMerchant } from '../../db/merchants.ts';
import { record } from '../../db/record.ts';
import {
  BY_STATUS_QUERY,
  type ProviderSummary,
  summarizePayments,
  summarizeProviders,
} from '../../db/statistics.ts';
import type { FailureCode } from '../../domain/error.ts';
import { failure } from '../../domain/error.ts';
import type { Payment } from '../../domain/payment.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT, makeOutcome, makeRecord, recordEvent, storePaymentIn } from '../factories.ts';

let database: TestDatabase;
beforeEach(async () => {
  database = await openTestDatabase();
  await ensureMerchant(database.pool, MERCHANT);
});
afterEach(() => database.close());

const HOUR_MS = 3_600_000;
const lastHours = (from: number, before: number, merchantId: string | null = null) => ({
  merchantId,
  from: new Date(Date.now() - from * HOUR_MS).toISOString(),
  before: new Date(Date.now() - before * HOUR_MS).toISOString(),
});
const summarize = async (window = lastHours(1, -1)): Promise<readonly ProviderSummary[]> =>
  await summarizeProviders(database.pool, window);

/** A payment that is brought to its end by an entry with this key. */
async function settleBy(key: string, kind: 'succeeded' | 'declined' = 'succeeded') {
  const payment = await storePaymentIn(database.pool, 'processing');
  await recordEvent(database.pool, payment, kind, { key, outcome: makeOutcome(kind) });
  return payment;
}
const fail = async (code: FailureCode) => {
  const payment = await storePaymentIn(database.pool, 'processing');
  const outcome = makeOutcome('declined', { failure: failure(code) });
  await recordEvent(database.pool, payment, 'declined', { outcome });
};
/** As if a payment had taken so long. */
const lasted = ({ id }: Payment, ms: number) =>
  database.queryAsOwner(
    "UPDATE payments SET completed_at = created_at + $2 * interval '1 millisecond' WHERE id = $1",
    [id, ms],
  );

test('a provider’s payments are counted by where they stand', async () => {
  for (const status of ['created', 'processing', 'requires_action', 'authorized'] as const) {
    await storePaymentIn(database.pool, status);
  }
  for (const status of ['succeeded', 'succeeded', 'failed', 'canceled', 'needs_review'] as const) {
    await storePaymentIn(database.pool, status);
  }
  await storePaymentIn(database.pool, 'processing', { provider: 'cpay' });
  const counted = { payments: 9, succeeded: 2, failed: 1, canceled: 1, open: 4, needs_review: 1 };
  expect(await summarize()).toMatchObject([
    { provider: 'cpay', payments: 1, open: 1, median_ms: null, p95_ms: null, failures: [] },
    { provider: 'mpesa', ...counted },
  ]);
});

test.each([
  ['event/evt_1', 0],
  ['2/event/evt_1', 0],
  ['charge', 0],
  ['captured', 0],
  ['refused', 0],
  ['lookup', 1],
  ['2/lookup', 1],
  ['review/0', 1],
  ['3/review/12', 1],
  ['verify/processing', 1],
])('an end that was written as %s counts %i times as rescued by polling', async (key, rescued) => {
  await settleBy(key);
  await settleBy(key, 'declined');
  expect(await summarize()).toMatchObject([{ payments: 2, resolved_by_polling: 2 * rescued }]);
  const groups = await summarizePayments(database.pool, { ...lastHours(1, -1), step: 'month' });
  expect(groups.map(({ resolved_by_polling }) => resolved_by_polling)).toEqual([rescued, rescued]);
});

test('what a late callback overturned was not rescued; what it repeated was', async () => {
  const overturned = await settleBy('lookup', 'declined');
  await recordEvent(database.pool, overturned, 'succeeded', { key: 'event/evt_1' });
  const outcome = makeOutcome('succeeded', { receipt: 'UJ7OVERTURNED' });
  await recordEvent(database.pool, overturned, 'succeeded', { key: 'decided/1', outcome });
  const repeated = await settleBy('lookup');
  await record(database.pool, makeRecord(repeated, { key: 'event/evt_2', event: 'succeeded' }));
  expect(await summarize()).toMatchObject([{ succeeded: 2, resolved_by_polling: 1 }]);
});

test('half took no longer than the median, and 95 of 100 than p95', async () => {
  for (let seconds = 1; seconds <= 20; seconds += 1) {
    await lasted(await storePaymentIn(database.pool, 'succeeded'), seconds * 1_000);
  }
  expect(await summarize()).toMatchObject([{ median_ms: 10_000, p95_ms: 19_000 }]);
});

test('the most frequent failures come first, and five at most', async () => {
  const codes = ['wrong_pin', 'card_expired', 'payer_busy', 'declined', 'payer_limit'] as const;
  for (const code of [...codes, 'insufficient_funds', 'insufficient_funds'] as const) {
    await fail(code);
  }
  const [summary] = await summarize();
  expect(summary?.failures).toEqual([
    { code: 'insufficient_funds', payments: 2 },
    ...codes
      .toSorted()
      .map((code) => ({ code, payments: 1 }))
      .slice(0, 4),
  ]);
});

test('only payments of the time and of the merchant are counted', async () => {
  await storePaymentIn(database.pool, 'succeeded');
  expect(await summarize(lastHours(3, 2))).toEqual([]);
  expect(await summarize(lastHours(1, -1, 'mer_2'))).toEqual([]);
  expect(await summarize(lastHours(1, -1, MERCHANT.id))).toHaveLength(1);
});

test('entries of status queries are found by their index', async () => {
  await database.queryAsOwner('SET enable_seqscan = off');
  const plan = await database.queryAsOwner(`
    EXPLAIN SELECT payment_id, to_status FROM audit_entries WHERE ${BY_STATUS_QUERY.sql}`);
  expect(JSON.stringify(plan)).toContain('audit_entries_resolved_by_polling');
});
