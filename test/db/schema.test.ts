import { DELIVERY_STATUSES } from '../../db/deliveries.ts';
import { webhookEventRow } from '../../db/rows.ts';
import { ROLES } from '../../domain/access.ts';
import { ATTEMPT_STATUSES } from '../../domain/attempt-states.ts';
import { CAPTURE_METHODS } from '../../domain/capture.ts';
import { DECISIONS } from '../../domain/decision.ts';
import { isClosed, PAYMENT_STATUSES } from '../../domain/payment-states.ts';
import { ENVIRONMENTS } from '../../domain/provider.ts';
import { REFUND_ORIGINS } from '../../domain/refund.ts';
import { isRefundClosed, REFUND_STATUSES } from '../../domain/refund-states.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

/** The words between quotes, as PostgreSQL prints a condition. */
function wordsOf(condition: string): readonly string[] {
  return [...condition.matchAll(/'([^']*)'/g)].map(([, word]) => word ?? '').sort();
}

const CHECKS = [
  { name: 'payments_status_check', words: PAYMENT_STATUSES },
  { name: 'payments_capture_method_check', words: CAPTURE_METHODS },
  { name: 'attempts_status_check', words: ATTEMPT_STATUSES },
  { name: 'refunds_status_check', words: REFUND_STATUSES },
  { name: 'refunds_origin_check', words: REFUND_ORIGINS },
  { name: 'provider_configs_environment_check', words: ENVIRONMENTS },
  { name: 'deliveries_status_check', words: DELIVERY_STATUSES },
  { name: 'decisions_decision_check', words: DECISIONS },
  { name: 'operators_role_check', words: ROLES },
  { name: 'webhook_events_status_check', words: webhookEventRow.shape.status.options },
] as const;

test.each(CHECKS)('$name lists what the code lists', async ({ name, words }) => {
  const [row] = await database.queryAsOwner<{ definition: string }>(
    'SELECT pg_get_constraintdef(oid) AS definition FROM pg_constraint WHERE conname = $1',
    [name],
  );
  expect(wordsOf(row?.definition ?? '')).toEqual([...words].sort());
});

const OPEN = PAYMENT_STATUSES.filter((status) => !isClosed(status));
const OPEN_REFUNDS = REFUND_STATUSES.filter((status) => !isRefundClosed(status));
const isUnreviewed = (status: string) => status !== 'needs_review';
test.each([
  { index: 'payments_to_sweep', order: '(status, COALESCE(swept_at, updated_at))', of: OPEN },
  { index: 'payments_waiting', order: '(id)', of: OPEN.filter(isUnreviewed) },
  { index: 'refunds_pending', order: '(id)', of: OPEN_REFUNDS.filter(isUnreviewed) },
])('$index holds $of and no others, in order of $order', async ({ index, order, of }) => {
  const [row] = await database.queryAsOwner<{ indexdef: string }>(
    'SELECT indexdef FROM pg_indexes WHERE indexname = $1',
    [index],
  );
  const definition = row?.indexdef ?? '';
  expect(wordsOf(definition)).toEqual([...of].sort());
  expect(definition).toContain(` ${order} WHERE `);
});

test('amounts are whole numbers of 64 bits in every table', async () => {
  const columns = await database.queryAsOwner<{ name: string; data_type: string }>(`
    SELECT table_name || '.' || column_name AS name, data_type FROM information_schema.columns
    WHERE table_schema = 'public' AND column_name LIKE 'amount%'`);
  expect(columns.length).toBeGreaterThanOrEqual(3);
  for (const column of columns) expect(column).toMatchObject({ data_type: 'bigint' });
});

test('the application’s role owns nothing and can delete nothing but counters', async () => {
  const owned = await database.queryAsOwner(
    "SELECT relname FROM pg_class WHERE relowner = 'malipo_app'::regrole",
  );
  const deletable = await database.queryAsOwner(`
    SELECT table_name, privilege_type FROM information_schema.role_table_grants
    WHERE grantee = 'malipo_app' AND privilege_type IN ('DELETE', 'TRUNCATE', 'TRIGGER')`);
  const counters = { table_name: 'rate_limits', privilege_type: 'DELETE' };
  expect([owned, deletable]).toEqual([[], [counters]]);
});
