import { webhookEventRow } from '../../db/rows.ts';
import { ROLES } from '../../domain/access.ts';
import { ATTEMPT_STATUSES } from '../../domain/attempt-states.ts';
import { CAPTURE_METHODS } from '../../domain/capture.ts';
import { isClosed, PAYMENT_STATUSES } from '../../domain/payment-states.ts';
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

test('the index of open payments covers every open status and no closed one', async () => {
  const [row] = await database.queryAsOwner<{ indexdef: string }>(
    "SELECT indexdef FROM pg_indexes WHERE indexname = 'payments_open'",
  );
  const open = PAYMENT_STATUSES.filter((status) => !isClosed(status));
  expect(wordsOf(row?.indexdef ?? '')).toEqual([...open].sort());
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
