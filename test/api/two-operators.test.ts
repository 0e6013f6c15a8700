import type { Role } from '../../domain/access.ts';
import type { Currency } from '../../domain/money.ts';
import { storePaymentIn } from '../factories.ts';
import { enrollOperator, openOperator, PASSWORD } from './operators.ts';
import { openTestApi, type Send, type TestApi } from './server.ts';

/** From which amount on two operators have to agree, and which two count as two. */
let api: TestApi;
let admin: { readonly id: string; readonly send: Send };
beforeEach(async () => {
  api = await openTestApi();
  admin = await openOperator(api, 'admin');
});
afterEach(() => api.close());

const WORD = { decision: 'failed', reason: 'the statement does not hold it' };
const decide = (send: Send, id: string) =>
  send('POST', `/api/v1/admin/payments/${id}/decision`, { body: WORD });
const store = (amountMinor: number, currency: Currency = 'KES') =>
  storePaymentIn(api.pool, 'needs_review', { amountMinor, currency });
const LARGE = 10_000_000;

// biome-ignore format: table, one case per line
test.each<readonly [Currency, number, number]>([
  ['KES', 9_999_999, 200],
  ['KES', 10_000_000, 202],
  ['UGX', 2_999_999, 200],
  ['UGX', 3_000_000, 202],
  ['USD', 74_999, 200],
  ['USD', 75_000, 202],
  ['JPY', 110_000, 202],
])('a decision about %s %i in minor units is answered %i', async (currency, amount, status) => {
  const { id } = await store(amount, currency);
  expect((await decide(admin.send, id)).status).toBe(status);
});

/** Made by the admin, who therefore knows its password, and signed in. */
async function openMade(name: string, by: Send = admin.send, role: Role = 'operator') {
  const email = `${name}@example.test`;
  const body = { email, name, role, password: PASSWORD };
  const made = await by('POST', '/api/v1/admin/operators', { body });
  return { id: made.body.id, send: await signIn(email) };
}
async function signIn(email: string): Promise<Send> {
  const session = await api.send('POST', '/api/v1/sessions', {
    body: { email, password: PASSWORD },
  });
  const authorization = `Bearer ${session.body.access_token}`;
  return (method, path, sending = {}) =>
    api.send(method, path, { ...sending, headers: { authorization } });
}
const reset = (send: Send, id: string) =>
  send('PATCH', `/api/v1/admin/operators/${id}`, { body: { password: PASSWORD } });
const REFUSED = { status: 409, body: { code: 'invalid_decision' } };

test('who set another’s password is no second of it, nor it of who set it', async () => {
  const { id: operatorId, email } = await enrollOperator(api, 'operator');
  await reset(admin.send, operatorId);
  const puppet = await signIn(email);
  for (const [first, second] of [
    [admin.send, puppet],
    [puppet, admin.send],
  ] as const) {
    const { id } = await store(LARGE);
    expect((await decide(first, id)).status).toBe(202);
    expect(await decide(second, id)).toMatchObject(REFUSED);
    expect(api.engine.decided).toEqual([]);
  }
});

test('somebody of its own may be the second where they were refused', async () => {
  const puppet = await openMade('puppet');
  const { id } = await store(LARGE);
  expect((await decide(puppet.send, id)).status).toBe(202);
  expect(await decide(admin.send, id)).toMatchObject(REFUSED);
  const other = await openOperator(api, 'operator');
  expect((await decide(other.send, id)).status).toBe(200);
  expect(api.engine.decided).toMatchObject([{ decision: { by: `${puppet.id} and ${other.id}` } }]);
});

test('two whose passwords one person knows are one, over several hands as well', async () => {
  const one = await openMade('one');
  const hand = await openMade('hand', admin.send, 'admin');
  const two = await openMade('two', hand.send);
  const { id } = await store(LARGE);
  expect((await decide(one.send, id)).status).toBe(202);
  expect(await decide(two.send, id)).toMatchObject(REFUSED);
});

test('an admin who changes its own password is nobody’s puppet', async () => {
  await reset(admin.send, admin.id);
  const other = await openOperator(api, 'operator');
  const { id } = await store(LARGE);
  expect((await decide(other.send, id)).status).toBe(202);
  expect((await decide(admin.send, id)).status).toBe(200);
});

// biome-ignore format: table, one case per line
test.each([
  ['a payment that is younger', '25 hours', '1 hour', 200],
  ['a payment that is younger, too soon', '23 hours', '1 hour', 409],
  ['a payment that was there before, however long ago', '30 days', '31 days', 409],
])('a password set long ago counts no longer for %s', async (_what, setAgo, madeAgo, status) => {
  const puppet = await openMade('puppet');
  const { id } = await store(LARGE);
  await api.database.queryAsOwner(
    'UPDATE operators SET password_set_at = now() - $1::interval WHERE password_set_by IS NOT NULL',
    [setAgo],
  );
  const madeAt = 'UPDATE payments SET created_at = now() - $1::interval';
  await api.database.queryAsOwner(madeAt, [madeAgo]);
  expect((await decide(admin.send, id)).status).toBe(202);
  expect((await decide(puppet.send, id)).status).toBe(status);
});
