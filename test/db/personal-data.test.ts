import { hashPhone, openCustomer, sealCustomer } from '../../db/customers.ts';
import { newId } from '../../db/ids.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { findPayment } from '../../db/payments.ts';
import type { Pool } from '../../db/pool.ts';
import { insertWebhookEvent } from '../../db/webhook-events.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  dispatch,
  MERCHANT,
  makeOutcome,
  makeWebhookEvent,
  recordEvent,
  storePayment,
  VAULT,
} from '../factories.ts';

const PAYER = {
  id: 'customer-7',
  phone: '+254712345678',
  email: 'amina.wanjiru@example.test',
  name: 'Amina Wanjiru',
};

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
});
afterAll(() => database.close());

/** A text as it might hide in a dump: in clear, as the hex of a bytea, or in base64. */
function spellingsOf(text: string): readonly string[] {
  const bytes = Buffer.from(text);
  return [text, bytes.toString('hex'), bytes.toString('base64').replace(/.{2}=*$/, '')];
}
const SECRETS = [
  '712345678',
  '0712345678',
  '254712345678',
  PAYER.phone,
  PAYER.email,
  'amina.wanjiru',
  PAYER.name,
  'Amina',
  'Wanjiru',
].flatMap(spellingsOf);

async function dumpAll(): Promise<string> {
  const tables = await database.queryAsOwner<{ name: string }>(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
  );
  const dumps = await Promise.all(
    tables.map(({ name }) =>
      database.queryAsOwner<{ row: string }>(`SELECT t::text AS row FROM ${name} t`),
    ),
  );
  return dumps
    .flat()
    .map(({ row }) => row)
    .join('\n');
}

test('no row of any table holds phone, e-mail or name in clear', async () => {
  const id = newId('payment');
  const payment = await storePayment(pool, { id, customer: sealCustomer(VAULT, id, PAYER) });
  await dispatch(pool, payment);
  const body = JSON.stringify({ ...PAYER, PhoneNumber: 254712345678 });
  const callback = makeWebhookEvent({ workflowId: payment.workflowId, body });
  await insertWebhookEvent(pool, callback);
  const webhook = { eventId: callback.id, status: 'applied', note: null } as const;
  await recordEvent(pool, payment, 'succeeded', { outcome: makeOutcome('succeeded'), webhook });

  const dump = await dumpAll();
  expect(dump).toContain(payment.id);
  expect(dump).toContain(callback.id);
  expect(SECRETS.filter((secret) => dump.includes(secret))).toEqual([]);
});

test('what leaves the database is masked', async () => {
  const id = newId('payment');
  await storePayment(pool, { id, customer: sealCustomer(VAULT, id, PAYER) });
  expect(await findPayment(pool, MERCHANT.id, id)).toMatchObject({
    customerId: 'customer-7',
    phoneMasked: '+254•••••678',
    emailMasked: 'a•••@example.test',
    nameMasked: 'A••• W•••',
  });
});

test('the payer opens again for the provider’s call, for this payment’s row only', async () => {
  const [first, second] = [newId('payment'), newId('payment')];
  await storePayment(pool, { id: first, customer: sealCustomer(VAULT, first, PAYER) });
  const { id: _, ...payer } = PAYER;
  expect(await openCustomer(pool, VAULT, first)).toEqual(payer);
  // Sealed for the first, stored with the second: as if somebody had copied the columns.
  await storePayment(pool, { id: second, customer: sealCustomer(VAULT, first, PAYER) });
  await expect(openCustomer(pool, VAULT, second)).rejects.toThrow();
});

test('of a payer nobody named, nothing is stored', async () => {
  const payment = await storePayment(pool);
  const nobody = { phone: null, email: null, name: null };
  expect(await openCustomer(pool, VAULT, payment.id)).toEqual(nobody);
  expect(payment).toMatchObject({ phoneMasked: null, emailMasked: null, nameMasked: null });
});

test('the same phone or e-mail has the same look-up hash in every row', () => {
  const first = sealCustomer(VAULT, 'pay_1', PAYER);
  const second = sealCustomer(VAULT, 'pay_2', { ...PAYER, email: PAYER.email.toUpperCase() });
  expect(second.phoneHash).toEqual(first.phoneHash);
  expect(second.emailHash).toEqual(first.emailHash);
  expect(first.phoneHash).toEqual(hashPhone(VAULT, PAYER.phone));
  expect(second.phoneCipher).not.toEqual(first.phoneCipher);
});
