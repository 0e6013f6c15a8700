import { sealCustomer } from '../../db/customers.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import {
  findPayment,
  findPaymentByWorkflow,
  insertPayment,
  type NewPayment,
} from '../../db/payments.ts';
import type { Pool } from '../../db/pool.ts';
import { paymentInput } from '../../domain/inputs.ts';
import { capabilitiesOf } from '../../providers/index.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT, makeNewPayment, POLICY, VAULT } from '../factories.ts';

let database: TestDatabase;
let pool: Pool;
beforeEach(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
});
afterEach(() => database.close());

/** The same request as `times` processes see it: own ids, one idempotency key, one workflow id. */
function repeatRequest(request: NewPayment, times: number): readonly NewPayment[] {
  const { idempotencyKey, workflowId } = request;
  return Array.from({ length: times }, () => makeNewPayment({ idempotencyKey, workflowId }));
}

const countRows = async (table: string) => (await database.queryAsOwner(`TABLE ${table}`)).length;

async function insertAtOnce(requests: readonly NewPayment[]) {
  const pools = [pool, await database.openAnotherPool()] as const;
  return await Promise.all(
    requests.map((request, index) => insertPayment(index % 2 === 0 ? pools[0] : pools[1], request)),
  );
}

test('a payment comes back as it was handed in, open and without money moved', async () => {
  const request = makeNewPayment({
    amountMinor: Number.MAX_SAFE_INTEGER,
    currency: 'UGX',
    paymentMethod: 'pm_card_visa',
    captureMethod: 'manual',
    description: 'Two “mandazi” & chai – 100%',
    returnUrl: 'https://shop.example.test/?a=1&b=2',
    metadata: { order: '7', note: 'c’est l’été', quote: `'"; DROP TABLE payments; --` },
  });
  const { inserted, payment } = await insertPayment(pool, request);
  expect(inserted).toBe(true);
  const { customer: _, cause: __, ...given } = request;
  expect(payment).toMatchObject({
    ...given,
    status: 'created',
    amountCapturedMinor: 0,
    amountRefundedMinor: 0,
    failureCode: null,
    completedAt: null,
    policy: POLICY,
  });
  expect(payment.createdAt).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  expect(await findPayment(pool, MERCHANT.id, payment.id)).toEqual(payment);
  expect(await findPaymentByWorkflow(pool, payment.workflowId)).toEqual(payment);
});

test('with the payment come its first attempt and the first entry of its trail', async () => {
  const { payment } = await insertPayment(pool, makeNewPayment());
  expect(await database.queryAsOwner('TABLE attempts')).toMatchObject([
    {
      id: payment.attemptId,
      payment_id: payment.id,
      ordinal: 1,
      status: 'prepared',
      dispatch_count: 0,
    },
  ]);
  expect(await database.queryAsOwner('TABLE audit_entries')).toMatchObject([
    {
      payment_id: payment.id,
      seq: 1,
      key: 'created',
      action: 'payment.created',
      actor: 'merchant',
    },
  ]);
});

test('50 requests of one key over two pools make one payment, and all get that one', async () => {
  const results = await insertAtOnce(repeatRequest(makeNewPayment(), 50));
  expect(results.filter(({ inserted }) => inserted)).toHaveLength(1);
  expect(new Set(results.map(({ payment }) => payment.id)).size).toBe(1);
  expect(await countRows('payments')).toBe(1);
  expect(await countRows('attempts')).toBe(1);
  expect(await countRows('audit_entries')).toBe(1);
});

/**
 * PostgreSQL looks for a conflict, then writes the indexes one after the other. Two requests that
 * both looked before either wrote are rare; a slow index in front makes that the rule.
 */
const WIDEN_THE_RACE = [
  `CREATE FUNCTION dawdle(id text) RETURNS text IMMUTABLE LANGUAGE plpgsql
     AS $$ BEGIN PERFORM pg_sleep(0.05); RETURN id; END $$`,
  'CREATE INDEX payments_slow ON payments (dawdle(id))',
  // Made anew, they are written after the slow one, in the order they have in the schema.
  `ALTER TABLE payments DROP CONSTRAINT payments_workflow_id_key,
     DROP CONSTRAINT payments_idempotency_key`,
  'ALTER TABLE payments ADD CONSTRAINT payments_workflow_id_key UNIQUE (workflow_id)',
  `ALTER TABLE payments
     ADD CONSTRAINT payments_idempotency_key UNIQUE (merchant_id, idempotency_key)`,
];

test('requests of one key that race each other to the row do not fail', async () => {
  for (const statement of WIDEN_THE_RACE) await database.queryAsOwner(statement);
  const results = await insertAtOnce(repeatRequest(makeNewPayment(), 8));
  expect(results.filter(({ inserted }) => inserted)).toHaveLength(1);
  expect(new Set(results.map(({ payment }) => payment.id)).size).toBe(1);
  expect(await countRows('payments')).toBe(1);
});

test('the same key of two merchants is two payments', async () => {
  await ensureMerchant(pool, { id: 'mer_2', name: 'Kiosk' });
  const first = await insertPayment(pool, makeNewPayment({ idempotencyKey: 'order-7' }));
  const second = await insertPayment(
    pool,
    makeNewPayment({ idempotencyKey: 'order-7', merchantId: 'mer_2' }),
  );
  expect([first.inserted, second.inserted]).toEqual([true, true]);
  expect(first.payment.id).not.toBe(second.payment.id);
});

test('a key used again gives the first payment with its fingerprint, to be compared', async () => {
  const request = makeNewPayment({ fingerprint: 'a'.repeat(64) });
  const first = await insertPayment(pool, request);
  const again = makeNewPayment({
    ...request,
    id: makeNewPayment().id,
    fingerprint: 'b'.repeat(64),
  });
  expect(await insertPayment(pool, again)).toEqual({ inserted: false, payment: first.payment });
});

test('a payment is found by its own merchant only', async () => {
  const { payment } = await insertPayment(pool, makeNewPayment());
  expect(await findPayment(pool, 'mer_2', payment.id)).toBeNull();
  expect(await findPayment(pool, MERCHANT.id, makeNewPayment().id)).toBeNull();
  expect(await findPaymentByWorkflow(pool, makeNewPayment().workflowId)).toBeNull();
});

const REFUSED = [
  { what: 'nothing', changes: { amountMinor: 0 } },
  { what: 'less than nothing', changes: { amountMinor: -1 } },
  { what: 'a merchant that is not there', changes: { merchantId: 'mer_none' } },
] as const;

test.each(REFUSED)('a payment of $what leaves no row anywhere', async ({ changes }) => {
  await expect(insertPayment(pool, makeNewPayment(changes))).rejects.toThrow();
  const counts = await Promise.all(['payments', 'attempts', 'audit_entries'].map(countRows));
  expect(counts).toEqual([0, 0, 0]);
});

test('the workflow’s input holds what it needs, and nothing of the payer', async () => {
  const request = makeNewPayment();
  const person = {
    id: 'customer-7',
    phone: '+254712345678',
    email: 'amina@example.test',
    name: 'Amina',
  };
  const customer = sealCustomer(VAULT, request.id, person);
  const { payment } = await insertPayment(pool, { ...request, customer });
  expect(paymentInput(payment, capabilitiesOf)).toEqual({
    paymentId: request.id,
    attemptId: request.attemptId,
    merchantId: MERCHANT.id,
    workflowId: request.workflowId,
    provider: 'mpesa',
    credentialsRef: 'env:mpesa',
    amountMinor: 10_000,
    currency: 'KES',
    policy: POLICY,
    captureMethod: 'automatic',
    attemptOrdinal: 1,
    fallbacks: [],
    can: {
      dedupes_by_our_id: false,
      looks_up_by_our_id: false,
      capture: false,
      cancel: false,
      refund_needs: 'provider_receipt',
    },
  });
  expect(() => paymentInput({ ...payment, workflowId: 'payment-1' }, capabilitiesOf)).toThrow(
    payment.id,
  );
});
