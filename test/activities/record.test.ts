import {
  ApplicationFailure,
  DefaultFailureConverter,
  defaultPayloadConverter,
} from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createRecord } from '../../activities/record.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import type { SealedWebhookEvent } from '../../domain/webhook-event.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  MERCHANT,
  makeOutcome,
  makeRecord,
  makeWebhookEvent,
  storePaymentIn,
} from '../factories.ts';

/** What the workflows' pen throws is kept in Temporal's history: see ADR 0003. */
let database: TestDatabase;
beforeEach(async () => {
  database = await openTestDatabase();
  await ensureMerchant(database.pool, MERCHANT);
});
afterEach(() => database.close());

const pen = () => createRecord({ pool: database.pool });
const thrownBy = async (doing: Promise<unknown>) => {
  const error = await doing.then(
    () => new Error('nothing was thrown'),
    (thrown: unknown) => thrown,
  );
  const failure = new DefaultFailureConverter().errorToFailure(error, defaultPayloadConverter);
  return { error, history: JSON.stringify(failure) };
};

test('what the database refuses is told by the constraint’s name, without the row', async () => {
  const payment = await storePaymentIn(database.pool, 'processing', { reference: 'SECRET-REF' });
  await database.queryAsOwner(
    "ALTER TABLE payments ADD CONSTRAINT of_this_test CHECK (status <> 'succeeded') NOT VALID",
  );
  const outcome = makeOutcome('succeeded', { receipt: 'SECRETRECEIPT' });
  const request = makeRecord(payment, { event: 'succeeded', outcome });
  const { error, history } = await thrownBy(pen().record(request));
  expect(error).toBeInstanceOf(ApplicationFailure);
  expect(history).toContain('of_this_test');
  expect(history).not.toMatch(/SECRET|UPDATE payments|Failing row|violates/);
});

test('what is not there, or not as it should be, is told without query and values', async () => {
  const payment = await storePaymentIn(database.pool, 'processing', { reference: 'SECRET-REF' });
  const nowhere = await thrownBy(pen().record(makeRecord({ ...payment, id: 'pay_SECRET' })));
  expect(nowhere.error).toMatchObject({ type: 'payment_missing', nonRetryable: true });
  expect(nowhere.history).not.toMatch(/SECRET|SELECT/);
  await database.queryAsOwner("UPDATE payments SET failure_code = 'SECRET'");
  const odd = await thrownBy(pen().record(makeRecord(payment)));
  expect(odd.history).toContain('SchemaValidationError');
  expect(odd.history).not.toMatch(/SECRET|SELECT/);
});

test('a database that is away is told as that, and tried again', async () => {
  const payment = await storePaymentIn(database.pool, 'processing');
  const away = await database.openAnotherPool();
  await away.end();
  const { error } = await thrownBy(createRecord({ pool: away }).record(makeRecord(payment)));
  expect(error).toMatchObject({ type: 'not_written', nonRetryable: false });
});

describe('a callback that Temporal holds', () => {
  const refuseRows = (rule: string) =>
    database.queryAsOwner(
      `ALTER TABLE webhook_events ADD CONSTRAINT of_this_test CHECK (${rule}) NOT VALID`,
    );
  const keep = (event: SealedWebhookEvent, attempt = 1) =>
    new MockActivityEnvironment({ attempt }).run(() => pen().storeWebhookEvent(event));
  const listRows = () =>
    database.queryAsOwner<{ status: string; body_cipher: Buffer; event: unknown; error: string }>(
      'SELECT * FROM webhook_events',
    );

  test('is parked with its bytes when the database refuses what was read of it', async () => {
    const { workflowId } = await storePaymentIn(database.pool, 'processing');
    const event = makeWebhookEvent({ workflowId });
    await refuseRows('event IS NULL');
    await keep(event);
    // A run whose answer was lost stores it once all the same.
    await keep(event);
    const rows = await listRows();
    expect(rows).toMatchObject([
      { id: event.id, status: 'parked', event: null, workflow_id: workflowId },
    ]);
    expect(rows[0]?.error).toContain('of_this_test');
    expect(rows[0]?.body_cipher.toString('base64')).toBe(event.bodyCipher);
  });

  test.each([
    [1, 2_000],
    [4, 16_000],
    [40, 300_000],
  ])('that cannot be written at all is tried again, after try %d in %d ms', async (tried, ms) => {
    const event = makeWebhookEvent();
    await refuseRows('false');
    const { error, history } = await thrownBy(keep(event, tried));
    expect(error).toMatchObject({ type: 'not_written', nonRetryable: false, nextRetryDelay: ms });
    expect(history).toContain('of_this_test');
    expect(history).not.toMatch(/Failing row|INSERT/);
    expect(await listRows()).toEqual([]);
  });

  test('waits by the usual pace for a database that only takes no writes', async () => {
    await database.queryAsOwner(
      `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on',
        current_database()); END $$`,
    );
    const readOnly = await database.openAnotherPool();
    const keeping = new MockActivityEnvironment().run(() =>
      createRecord({ pool: readOnly }).storeWebhookEvent(makeWebhookEvent()),
    );
    const { error, history } = await thrownBy(keeping);
    expect(error).toMatchObject({ type: 'not_written', nonRetryable: false });
    expect(history).toContain('25006');
    expect(error).toHaveProperty('nextRetryDelay', undefined);
  });
});
