import type { QuerySqlToken } from 'slonik';
import { hashEmail, hashPhone, sealCustomer } from '../../db/customers.ts';
import { newId } from '../../db/ids.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { listPayments, type PaymentFilter } from '../../db/payments.ts';
import { record } from '../../db/record.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  MERCHANT,
  makeOutcome,
  makeRecord,
  storePayment,
  storePaymentIn,
  VAULT,
} from '../factories.ts';

/** What operators search by, over all merchants; each search has an index to go by. */
const PHONE = '+254712345678';
const EMAIL = 'Asha@Example.test';
const OTHER = { id: 'mer_2', name: 'Kiosk' };
const NO_FILTER: PaymentFilter = {
  merchantId: null,
  statuses: [],
  provider: null,
  phoneHash: null,
  emailHash: null,
  customerId: null,
  reference: null,
  referenceInAnyCase: null,
  amountMinor: null,
  receipt: null,
  providerPaymentIds: null,
  createdFrom: null,
  createdBefore: null,
  beforeId: null,
  limit: 20,
};

let database: TestDatabase;
let ours: string;
beforeAll(async () => {
  database = await openTestDatabase();
  const { pool } = database;
  await ensureMerchant(pool, MERCHANT);
  await ensureMerchant(pool, OTHER);
  const id = newId('payment');
  const customer = sealCustomer(VAULT, id, {
    id: 'cust-17',
    phone: PHONE,
    email: EMAIL,
    name: null,
  });
  const payment = await storePaymentIn(pool, 'processing', {
    id,
    merchantId: OTHER.id,
    customer,
    reference: 'INVOICE-1',
    amountMinor: 123_456,
  });
  const money = { amountMinor: 123_456, currency: 'KES' } as const;
  const outcome = makeOutcome('succeeded', {
    receipt: 'UJ7SEARCH1',
    providerPaymentId: 'ws_CO_17',
    money,
  });
  await record(pool, makeRecord(payment, { event: 'succeeded', outcome }));
  ours = id;
  await storePayment(pool, { reference: 'INVOICE-2' });
  await multiply(3_000);
});
afterAll(() => database.close());

/** Many payments of others, all different, with what such payments have. */
async function multiply(count: number): Promise<void> {
  const [row] = await database.queryAsOwner<{ columns: string }>(
    `SELECT string_agg(quote_ident(attname), ', ') AS columns FROM pg_attribute
     WHERE attrelid = 'payments'::regclass AND attnum > 0 AND NOT attisdropped`,
  );
  const changed: Readonly<Record<string, string>> = {
    id: "'pay_' || md5(n::text)",
    idempotency_key: 'n::text',
    workflow_id: "'payment-' || md5(n::text)",
    attempt_id: "'att_' || md5(n::text)",
    reference: "'ORDER-' || n",
    amount: '1000 + n',
    customer_id: "'other-' || n",
    phone_hash: "sha256(('phone' || n)::bytea)",
    email_hash: "sha256(('email' || n)::bytea)",
    provider_receipt: "'R' || n",
    provider_payment_id: "'ws_CO_other_' || n",
  };
  const columns = row?.columns ?? '';
  const values = columns.split(', ').map((name) => changed[name] ?? name);
  await database.queryAsOwner(`
    INSERT INTO payments (${columns}) SELECT ${values.join(', ')}
    FROM payments, generate_series(1, ${count}) AS n WHERE reference = 'INVOICE-2'`);
  await database.queryAsOwner(`
    INSERT INTO attempts
      (id, payment_id, ordinal, status, provider, credentials_ref, provider_payment_id)
    SELECT attempt_id, id, 1, 'settled', provider, credentials_ref, provider_payment_id
    FROM payments
    WHERE reference LIKE 'ORDER-%'`);
  await database.queryAsOwner('ANALYZE payments, attempts');
}

/** How PostgreSQL would go about it. */
async function explain(filter: Partial<PaymentFilter>): Promise<string> {
  const heard: QuerySqlToken[] = [];
  const listening = {
    ...database.pool,
    any: (asked: QuerySqlToken) => {
      heard.push(asked);
      return Promise.resolve([]);
    },
  };
  await listPayments(listening, { ...NO_FILTER, ...filter });
  const [asked] = heard;
  const plan = await database.queryAsOwner<{ 'QUERY PLAN': string }>(
    `EXPLAIN ${asked?.sql.replaceAll('$slonik_', '$')}`,
    [...(asked?.values ?? [])],
  );
  return plan.map((line) => line['QUERY PLAN']).join('\n');
}

const SEARCHES: readonly (readonly [keyof PaymentFilter, Partial<PaymentFilter>, string])[] = [
  // table
  ['receipt', { receipt: 'UJ7SEARCH1' }, 'payments_by_receipt'],
  ['receipt', { receipt: 'uj7search1' }, 'payments_by_receipt'],
  [
    'providerPaymentIds',
    { providerPaymentIds: ['ws_CO_17', 'pid_17'] },
    'attempts_by_provider_payment_id',
  ],
  ['emailHash', { emailHash: hashEmail(VAULT, 'asha@example.test') }, 'payments_by_any_email'],
  ['customerId', { customerId: 'cust-17' }, 'payments_by_customer'],
  ['amountMinor', { amountMinor: 123_456 }, 'payments_by_amount'],
  ['phoneHash', { phoneHash: hashPhone(VAULT, PHONE) }, 'payments_by_any_phone'],
  ['referenceInAnyCase', { referenceInAnyCase: 'INVOICE-1' }, 'payments_by_any_reference'],
  ['referenceInAnyCase', { referenceInAnyCase: 'Invoice-1' }, 'payments_by_any_reference'],
];

test.each(SEARCHES)(
  '%s finds the payment of whichever merchant, by its index',
  async (_name, filter, index) => {
    const found = await listPayments(database.pool, { ...NO_FILTER, ...filter });
    expect(found.map(({ id }) => id)).toEqual([ours]);
    expect(
      await listPayments(database.pool, { ...NO_FILTER, ...filter, merchantId: MERCHANT.id }),
    ).toEqual([]);
    const plan = await explain(filter);
    expect(plan).toContain(index);
    expect(plan).not.toContain('Seq Scan');
  },
);

test('an earlier attempt’s id at its provider finds the payment as well', async () => {
  await database.queryAsOwner(
    `INSERT INTO attempts
       (id, payment_id, ordinal, status, provider, credentials_ref, provider_payment_id)
     VALUES ($1, $2, 2, 'settled', 'mpesa', 'env:mpesa', 'ws_CO_16')`,
    [newId('attempt'), ours],
  );
  const found = await listPayments(database.pool, {
    ...NO_FILTER,
    providerPaymentIds: ['ws_CO_16'],
  });
  expect(found.map(({ id }) => id)).toEqual([ours]);
});
