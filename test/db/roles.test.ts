import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { openPool } from '../../db/pool.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';

/** What somebody can do who may run any SQL as the application: nothing to the evidence. */
let database: TestDatabase;
let app: pg.Client;
beforeAll(async () => {
  database = await openTestDatabase();
  await database.queryAsOwner(`
    INSERT INTO merchants (id, name) VALUES ('mer_1', 'Duka');
    INSERT INTO payments (id, merchant_id, idempotency_key, fingerprint, workflow_id, attempt_id,
      status, provider, credentials_ref, amount, currency, capture_method, reference, policy)
    VALUES ('pay_1', 'mer_1', 'key', 'print', 'payment-1', 'att_1', 'created', 'mpesa',
      'env:mpesa', 100, 'KES', 'automatic', 'order-1', '{}');
    INSERT INTO audit_entries (id, payment_id, key, action, actor, cause)
    VALUES ('aud_1', 'pay_1', 'first', 'payment.created', 'merchant', 'asked for');
    INSERT INTO operator_activity (id, operator_id, email, action, status, request_id,
      remote_address)
    VALUES ('act_1', 'opr_1', 'a@example.test', 'refuse', 403, 'req_1', 'local'),
      ('act_2', 'opr_1', 'a@example.test', 'begin', NULL, 'req_2', 'local');
    INSERT INTO decisions (id, subject_id, decision, reason, proposed_by, confirmed_by)
    VALUES ('dec_1', 'pay_1', 'succeeded', 'seen', 'opr_1', 'opr_2');
    INSERT INTO webhook_events (id, provider, event_key, status, body_cipher, verified_by)
    VALUES ('evt_1', 'mpesa', 'key', 'received', 'sealed', 'token')`);
  app = new pg.Client({ connectionString: database.appUrl });
  await app.connect();
});
afterAll(async () => {
  await app.end();
  await database.close();
});

const DENIED = /permission denied|must be owner|must be superuser|must be able to SET ROLE/;

// table
test.each<readonly [string, string, RegExp]>([
  ['becomes the owner', 'SET ROLE malipo', DENIED],
  ['becomes the owner by a session', 'SET SESSION AUTHORIZATION malipo', DENIED],
  ['takes the guard off', 'ALTER TABLE audit_entries DISABLE TRIGGER ALL', DENIED],
  ['drops the guard', 'DROP TRIGGER audit_entries_append_only ON audit_entries', DENIED],
  [
    'replaces the guard',
    'CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$',
    DENIED,
  ],
  [
    'alters a function’s path',
    'ALTER FUNCTION chain_audit_entry() SET search_path = pg_temp',
    DENIED,
  ],
  ['restores past triggers', "SET session_replication_role = 'replica'", DENIED],
  ['rewrites the trail', "UPDATE audit_entries SET cause = 'other'", DENIED],
  ['deletes from the trail', 'DELETE FROM audit_entries', DENIED],
  ['empties the trail', 'TRUNCATE audit_entries', DENIED],
  [
    'makes a shadow of a table',
    'CREATE TEMP TABLE audit_entries (LIKE public.audit_entries)',
    DENIED,
  ],
  [
    'makes a shadow of a function',
    'CREATE FUNCTION pg_temp.sha256(bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT $1 $$',
    DENIED,
  ],
  ['makes a table in public', 'CREATE TABLE public.payments_2 (id text)', DENIED],
  ['makes a schema', 'CREATE SCHEMA malipo_app', DENIED],
  ['makes a role', 'CREATE ROLE other LOGIN SUPERUSER', DENIED],
  ['gives itself the owner', 'GRANT malipo TO malipo_app', DENIED],
  ['runs a program', "COPY (SELECT 1) TO PROGRAM 'true'", DENIED],
  ['reads a file', "COPY merchants (id, name) FROM '/etc/passwd'", DENIED],
  [
    'loads a library',
    "LOAD 'auto_explain'",
    /access to library "auto_explain" is not allowed|permission denied/,
  ],
  ['changes a setting of the server', "ALTER SYSTEM SET log_min_messages = 'warning'", DENIED],
  ['deletes a payment', 'DELETE FROM payments', DENIED],
  [
    'changes what a refused act came to',
    "UPDATE operator_activity SET status = 200 WHERE id = 'act_1'",
    /operator_activity\.status is set once/,
  ],
  [
    'takes back what an act came to',
    "UPDATE operator_activity SET status = NULL WHERE id = 'act_1'",
    /operator_activity\.status is set once/,
  ],
  ['says another did it', "UPDATE operator_activity SET operator_id = 'opr_2'", DENIED],
  [
    'confirms as another',
    "UPDATE decisions SET confirmed_by = 'opr_3' WHERE id = 'dec_1'",
    /decisions\.confirmed_by is set once/,
  ],
  [
    'takes a confirmation back',
    "UPDATE decisions SET confirmed_by = NULL WHERE id = 'dec_1'",
    /decisions\.confirmed_by is set once/,
  ],
  ['changes what was decided', "UPDATE decisions SET decision = 'failed'", DENIED],
  ['changes what a payment is worth', 'UPDATE payments SET amount = 1', DENIED],
  ['gives a payment to another', "UPDATE payments SET merchant_id = 'mer_2'", DENIED],
  ['changes when a payment was made', 'UPDATE payments SET created_at = now()', DENIED],
  [
    'says that a callback was verified',
    "UPDATE webhook_events SET verified_by = 'signature'",
    DENIED,
  ],
  ['changes when a callback came', 'UPDATE webhook_events SET received_at = now()', DENIED],
  [
    'changes where a callback came from',
    "UPDATE webhook_events SET remote_address = '192.0.2.1'",
    DENIED,
  ],
  ['widens a key', "UPDATE api_keys SET scopes = '{payments:write}'", DENIED],
  ['opens a key for another secret', "UPDATE api_keys SET hash = 'other'", DENIED],
  ['changes what a merchant was told', "UPDATE outgoing_events SET data = '{}'", DENIED],
  [
    'changes what a delivery was answered',
    'UPDATE delivery_attempts SET status_code = 200',
    DENIED,
  ],
])('the application’s login %s: refused', async (_what, statement, refusal) => {
  // A statement for the whole server stands alone; of any other nothing may stay.
  const isAlone = statement.startsWith('ALTER SYSTEM');
  if (!isAlone) await app.query('BEGIN');
  await expect(app.query(statement)).rejects.toThrow(refusal);
});
afterEach(async () => {
  await app.query('ROLLBACK');
  await app.query('RESET SESSION AUTHORIZATION');
});

test('what SET ROLE NONE leads to is as weak', async () => {
  await app.query('SET ROLE NONE');
  const { rows } = await app.query(`SELECT current_user::text AS role,
    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS is_superuser`);
  expect(rows).toEqual([{ role: 'malipo_app', is_superuser: false }]);
});

test('an act and a decision are ended once, by whom it may', async () => {
  await app.query("UPDATE operator_activity SET status = 200 WHERE id = 'act_2'");
  await expect(
    app.query("UPDATE operator_activity SET status = 500 WHERE id = 'act_2'"),
  ).rejects.toThrow('operator_activity.status is set once');
});

test('each function of ours names where it looks for tables, temporary ones last', async () => {
  const open = await database.queryAsOwner<{ name: string; config: readonly string[] | null }>(`
    SELECT oid::regprocedure::text AS name, proconfig AS config FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
      AND NOT coalesce(proconfig @> '{"search_path=pg_catalog, public, pg_temp"}', false)`);
  expect(open).toEqual([]);
});

const LOGIN = `malipo_test_login_${randomBytes(4).toString('hex')}`;

// table
test.each<readonly [string, readonly string[], string | null]>([
  ['has the rights of malipo_app', ['GRANT malipo_app TO $'], null],
  [
    'takes them by a setting',
    ['GRANT malipo_app TO $ WITH INHERIT FALSE', 'ALTER ROLE $ SET role = malipo_app'],
    null,
  ],
  ['is a superuser', ['ALTER ROLE $ SUPERUSER'], 'the login "$" is a superuser'],
  [
    'bypasses row security',
    ['GRANT malipo_app TO $', 'ALTER ROLE $ BYPASSRLS'],
    'the login "$" has BYPASSRLS',
  ],
  [
    'owns a table',
    ['GRANT malipo_app TO $', 'ALTER TABLE rate_limits OWNER TO $'],
    'the login "$" owns the database or its tables',
  ],
  [
    'may become the owner',
    ['GRANT malipo_app TO $', 'GRANT malipo TO $ WITH INHERIT FALSE'],
    'the login "$" may become "malipo", the owner',
  ],
  [
    'may give itself the owner',
    ['GRANT malipo_app TO $', 'GRANT malipo TO $ WITH INHERIT FALSE, SET FALSE, ADMIN TRUE'],
    'the login "$" may become "malipo", the owner',
  ],
  [
    'may write files of the server',
    ['GRANT malipo_app TO $', 'GRANT pg_write_server_files TO $'],
    'the login "$" has the role pg_write_server_files',
  ],
  [
    'may write all tables',
    ['GRANT malipo_app TO $', 'GRANT pg_write_all_data TO $'],
    'the login "$" may change the audit trail',
  ],
  ['has no rights', [], 'the login "$" has not the rights of malipo_app'],
  [
    'takes them only when told',
    ['GRANT malipo_app TO $ WITH INHERIT FALSE'],
    'the login "$" has not the rights of malipo_app',
  ],
])('a process whose login %s: works, or says why not and how to mend it', async (...row) => {
  const [, statements, fault] = row;
  await database.queryAsOwner(`CREATE ROLE ${LOGIN} LOGIN`);
  try {
    for (const it of statements) await database.queryAsOwner(it.replaceAll('$', LOGIN));
    const url = new URL(database.appUrl);
    url.username = LOGIN;
    const opening = openPool({ databaseUrl: url.href, size: 1, statementTimeoutMs: 5_000 });
    if (fault === null) await (await opening).end();
    else {
      const { message } = await opening.then(
        () => new Error('it opened'),
        (error: Error) => error,
      );
      expect(message).toContain(fault.replace('$', LOGIN));
      expect(message).toContain("ALTER ROLE malipo_app LOGIN PASSWORD '...';");
    }
  } finally {
    await database.queryAsOwner(`REASSIGN OWNED BY ${LOGIN} TO malipo`);
    await database.queryAsOwner(`DROP OWNED BY ${LOGIN}; DROP ROLE ${LOGIN}`);
  }
});

/** Columns that the application writes once, with the row. */
const EVIDENCE: Readonly<Record<string, string>> = {
  api_keys: 'created_at created_by hash id merchant_id prefix scopes',
  attempts: 'created_at credentials_ref id ordinal payment_id provider',
  deliveries: 'created_at endpoint_id event_id id merchant_id',
  merchants: 'created_at id',
  operators: 'created_at email id',
  payments: 'amount created_at currency id merchant_id workflow_id',
  provider_configs: 'created_at id merchant_id provider',
  provider_credentials: 'account config_id created_at shown version',
  refresh_tokens: 'created_at family hash operator_id',
  refunds: 'amount created_at currency id merchant_id origin payment_id workflow_id',
  webhook_endpoints: 'created_at id merchant_id',
  webhook_events:
    'account event event_key headers id provider received_at remote_address verified_by workflow_id',
  webhook_secrets: 'created_at endpoint_id version',
};

test('every other column can be written: one added later has its GRANT UPDATE', async () => {
  const rows = await database.queryAsOwner<{ table: string; kept: string }>(
    `SELECT attrelid::regclass::text AS table, string_agg(attname, ' ' ORDER BY attname) AS kept
     FROM pg_attribute WHERE attrelid = ANY ($1::regclass[]) AND attnum > 0 AND NOT attisdropped
       AND NOT has_column_privilege('malipo_app', attrelid, attnum, 'UPDATE')
     GROUP BY attrelid`,
    [Object.keys(EVIDENCE)],
  );
  expect(Object.fromEntries(rows.map(({ table, kept }) => [table, kept]))).toEqual(EVIDENCE);
});

describe('malipo_report', () => {
  const asReport = async (statement: string) => {
    await app.query('ROLLBACK');
    return await database.queryAsOwner(`BEGIN; SET LOCAL ROLE malipo_report; ${statement}; COMMIT`);
  };
  afterEach(() => database.queryAsOwner('ROLLBACK'));

  test('reads what happened', async () => {
    for (const [table, columns] of [
      ['payments', 'status, currency, sum(amount)'],
      ['refunds', 'status, currency, sum(amount)'],
      ['webhook_events', 'status, provider, count(id)'],
      ['deliveries', 'status, endpoint_id, count(id)'],
    ])
      await asReport(`SELECT ${columns} FROM ${table} GROUP BY 1, 2`);
    await asReport('SELECT * FROM audit_entries');
  });

  // table
  test.each([
    ['what is sealed', 'SELECT phone_cipher FROM payments'],
    ['what a payer is found by', 'SELECT phone_hash FROM payments'],
    ['bodies of callbacks', 'SELECT body_cipher FROM webhook_events'],
    ['what a provider said', 'SELECT event FROM webhook_events'],
    ['what a merchant’s server said', 'SELECT response FROM delivery_attempts'],
    ['keys', 'SELECT id FROM api_keys'],
    ['operators', 'SELECT id FROM operators'],
    ['sessions', 'SELECT family FROM refresh_tokens'],
    ['credentials', 'SELECT shown FROM provider_credentials'],
    ['secrets of endpoints', 'SELECT version FROM webhook_secrets'],
    ['to change anything', "UPDATE payments SET status = 'succeeded'"],
    ['to add anything', "INSERT INTO merchants (id, name) VALUES ('mer_2', 'Other')"],
  ])('is refused %s', async (_what, statement) => {
    await expect(asReport(statement)).rejects.toThrow(/permission denied/);
  });
});
