import {
  ApplicationFailure,
  DefaultFailureConverter,
  defaultPayloadConverter,
} from '@temporalio/common';
import { createRecord } from '../../activities/record.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT, makeOutcome, makeRecord, storePaymentIn } from '../factories.ts';

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
