import { hashPhone, sealCustomer } from '../../db/customers.ts';
import { newId } from '../../db/ids.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { listPayments, listStuck, type NewPayment, type PaymentFilter } from '../../db/payments.ts';
import type { Pool } from '../../db/pool.ts';
import type { Payment } from '../../domain/payment.ts';
import { isClosed, PAYMENT_STATUSES, type PaymentStatus } from '../../domain/payment-states.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT, storePayment, storePaymentIn, VAULT } from '../factories.ts';

const OTHER = { id: 'mer_2', name: 'Kiosk' };
const PHONE = '+254712345678';

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
  await ensureMerchant(pool, OTHER);
});
// The trail refuses to be emptied, as it should.
beforeEach(() => database.changeBehindTheTrigger('TRUNCATE payments CASCADE'));
afterAll(() => database.close());

function list(changes: Partial<PaymentFilter> = {}): Promise<readonly Payment[]> {
  return listPayments(pool, {
    merchantId: MERCHANT.id,
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
    limit: 100,
    ...changes,
  });
}
const idsOf = (payments: readonly Payment[]) => payments.map(({ id }) => id);

async function storeOfPhone(phone: string, changes: Partial<NewPayment> = {}): Promise<Payment> {
  const id = newId('payment');
  const customer = sealCustomer(VAULT, id, { id: null, phone, email: null, name: null });
  return await storePayment(pool, { ...changes, id, customer });
}

async function storeMany(count: number): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let index = 0; index < count; index += 1) ids.push((await storePayment(pool)).id);
  return ids.sort().reverse();
}

test.each([1, 7, 10, 57, 58])(
  'pages of %i hold every payment once, newest first',
  async (limit) => {
    const all = await storeMany(57);
    await storePayment(pool, { merchantId: OTHER.id });
    const seen: string[] = [];
    for (let pages = 0; pages <= all.length; pages += 1) {
      const page = await list({ beforeId: seen.at(-1) ?? null, limit });
      expect(page.length).toBeLessThanOrEqual(limit);
      if (page.length === 0) break;
      seen.push(...idsOf(page));
    }
    expect(seen).toEqual(all);
  },
);

test('payments that come in between pages neither repeat a row nor hide one', async () => {
  const all = await storeMany(10);
  const first = idsOf(await list({ limit: 5 }));
  await storeMany(3);
  const second = idsOf(await list({ limit: 5, beforeId: first.at(-1) ?? null }));
  expect([...first, ...second]).toEqual(all);
});

test('another merchant’s payments are never listed, whatever the filter', async () => {
  const theirs = await storeOfPhone(PHONE, { merchantId: OTHER.id, reference: 'THEIRS' });
  const filters: readonly Partial<PaymentFilter>[] = [
    {},
    { phoneHash: hashPhone(VAULT, PHONE) },
    { reference: 'THEIRS' },
    { statuses: [...PAYMENT_STATUSES] },
    { beforeId: 'pay_z' },
    { provider: 'mpesa' },
  ];
  for (const filter of filters) {
    expect(await list(filter)).toEqual([]);
    expect(idsOf(await list({ ...filter, merchantId: OTHER.id }))).toEqual([theirs.id]);
  }
});

test('each status can be asked for by itself, and several together', async () => {
  const byStatus = new Map<PaymentStatus, string>();
  for (const status of PAYMENT_STATUSES) {
    byStatus.set(status, (await storePaymentIn(pool, status)).id);
  }
  for (const [status, id] of byStatus) {
    expect((await list({ statuses: [status] })).map((it) => [it.id, it.status])).toEqual([
      [id, status],
    ]);
  }
  expect(await list({ statuses: ['failed', 'canceled'] })).toHaveLength(2);
  expect(await list()).toHaveLength(PAYMENT_STATUSES.length);
});

test('phone, reference and provider find theirs alone, and together both must hold', async () => {
  const one = await storeOfPhone(PHONE, { reference: 'A' });
  const two = await storeOfPhone('+254712345679', { reference: 'A', provider: 'cpay' });
  const phoneHash = hashPhone(VAULT, PHONE);
  expect(idsOf(await list({ phoneHash }))).toEqual([one.id]);
  expect(await list({ phoneHash: hashPhone(VAULT, '+254700000000') })).toEqual([]);
  expect(await list({ reference: 'A' })).toHaveLength(2);
  expect(await list({ reference: 'a' })).toEqual([]);
  expect(idsOf(await list({ provider: 'cpay' }))).toEqual([two.id]);
  expect(await list({ provider: 'cpay', phoneHash })).toEqual([]);
  expect(await list({ reference: `A' OR true --` })).toEqual([]);
});

test('a span of time holds its first moment and not its last', async () => {
  const [first, second] = [await storePayment(pool), await storePayment(pool)];
  const at = (id: string, time: string) =>
    database.queryAsOwner('UPDATE payments SET created_at = $2 WHERE id = $1', [id, time]);
  await at(first.id, '2026-03-01T00:00:00Z');
  await at(second.id, '2026-03-02T00:00:00Z');
  const march = { createdFrom: '2026-03-01T00:00:00Z', createdBefore: '2026-03-02T00:00:00Z' };
  expect(idsOf(await list(march))).toEqual([first.id]);
  expect(idsOf(await list({ createdFrom: '2026-03-01T03:00:00.001+03:00' }))).toEqual([second.id]);
  expect(idsOf(await list({ createdBefore: '2026-03-01T03:00:00.001+03:00' }))).toEqual([first.id]);
});

const setAge = (id: string, age: string) =>
  database.queryAsOwner('UPDATE payments SET updated_at = now() - $2::interval WHERE id = $1', [
    id,
    age,
  ]);

const WAITS = PAYMENT_STATUSES.filter((it) => it !== 'needs_review' && !isClosed(it));

test('stuck is every payment that is silent beyond its word, but for those in review', async () => {
  const expected: string[] = [];
  for (const status of PAYMENT_STATUSES) {
    const { id } = await storePaymentIn(pool, status);
    await setAge(id, '1 day');
    if (WAITS.includes(status)) expected.push(id);
  }
  expect(idsOf(await listStuck(pool, 15_000, 100, null)).sort()).toEqual(expected.sort());
  expect(WAITS).toHaveLength(4);
});

const SILENCES = [
  { age: '1 day', wait: '5 seconds', isLost: false },
  { age: '1 day', wait: '16 seconds', isLost: true },
  { age: '1 day', wait: '-1 hour', isLost: false },
  { age: '10 minutes 5 seconds', wait: null, isLost: false },
  { age: '10 minutes 16 seconds', wait: null, isLost: true },
] as const;

test.each(SILENCES)(
  'silent for $age, its wait over since $wait: lost is $isLost',
  async ({ age, wait, isLost }) => {
    const { id } = await storePaymentIn(pool, 'processing');
    await setAge(id, age);
    await database.queryAsOwner(
      'UPDATE payments SET wait_until = now() - $2::interval WHERE id = $1',
      [id, wait],
    );
    expect(idsOf(await listStuck(pool, 15_000, 100, null))).toEqual(isLost ? [id] : []);
  },
);
