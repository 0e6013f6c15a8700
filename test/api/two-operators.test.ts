import { readFileSync } from 'node:fs';
import { WHO_KNOWS_A_PASSWORD } from '../../api/admin/two-operators.ts';
import { findOperatorByEmail } from '../../db/operators.ts';
import type { Role } from '../../domain/access.ts';
import type { Currency } from '../../domain/money.ts';
import { storePaymentIn } from '../factories.ts';
import { enrollOperator, issueToken, openOperator, PASSWORD } from './operators.ts';
import { openTestApi, type Send, type TestApi } from './server.ts';

/** From which amount on two operators have to agree, and which two count as two. */
let api: TestApi;
let admin: { readonly id: string; readonly send: Send };
beforeEach(async () => {
  api = await openTestApi();
  admin = await openOperator(api, 'admin');
});
afterEach(() => api.close());

const OWN = 'a pass phrase of its own';
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
async function signIn(email: string, password = PASSWORD): Promise<Send> {
  const session = await api.send('POST', '/api/v1/sessions', { body: { email, password } });
  const authorization = `Bearer ${session.body.access_token}`;
  return (method, path, sending = {}) =>
    api.send(method, path, { ...sending, headers: { authorization } });
}
/** Without its password, which takes its time. */
async function openAs(email: string): Promise<Send> {
  const found = await findOperatorByEmail(api.pool, email);
  if (found === null) throw new Error(`there is no ${email}`);
  const authorization = `Bearer ${await issueToken(api, found.operator, found.passwordHash)}`;
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

const change = (email: string, from: string, to: string) =>
  api.send('POST', '/api/v1/sessions/password', {
    body: { email, password: from, new_password: to },
  });

test('an admin who changes its own password is nobody’s puppet', async () => {
  const { email } = await enrollOperator(api, 'viewer');
  expect((await change(email, PASSWORD, OWN)).status).toBe(201);
  const self = await signIn(email, OWN);
  await api.database.queryAsOwner("UPDATE operators SET role = 'admin'");
  const { id } = await store(LARGE);
  expect((await decide(self, id)).status).toBe(202);
  expect((await decide(admin.send, id)).status).toBe(200);
});

// biome-ignore format: table, one case per line
test.each<readonly [string, string, string | null, string, number]>([
  ['of another’s choice, however long ago', '30 days', null, '1 hour', 409],
  ['of its own since, for a payment that is younger', '30 days', '25 hours', '1 hour', 200],
  ['of its own since, too soon', '30 days', '23 hours', '1 hour', 409],
  ['of its own since the payment was made', '60 days', '29 days', '31 days', 409],
  ['of its own for 30 days, for a payment that is older', '60 days', '31 days', '50 days', 200],
])('who has a password %s', async (_what, setAgo, ownAgo, madeAgo, status) => {
  const puppet = await openMade('puppet');
  const email = 'puppet@example.test';
  if (ownAgo !== null) expect((await change(email, PASSWORD, OWN)).status).toBe(201);
  const { id } = await store(LARGE);
  await api.database.queryAsOwner(
    `UPDATE operators SET password_set_at = now() - $1::interval,
       former_password_until = now() - $2::interval WHERE id = $3`,
    [setAgo, ownAgo ?? '0 hours', puppet.id],
  );
  const send = await signIn(email, ownAgo === null ? PASSWORD : OWN);
  const madeAt = 'UPDATE payments SET created_at = now() - $1::interval';
  await api.database.queryAsOwner(madeAt, [madeAgo]);
  expect((await decide(admin.send, id)).status).toBe(202);
  expect((await decide(send, id)).status).toBe(status);
});

test('who ever set a password stays known, whoever has set it since', async () => {
  const email = 'puppet@example.test';
  const body = { email, name: 'puppet', role: 'operator', password: PASSWORD };
  const { id: puppetId } = (await admin.send('POST', '/api/v1/admin/operators', { body })).body;
  const expectRefused = async () => {
    const { id } = await store(LARGE);
    expect((await decide(admin.send, id)).status).toBe(202);
    expect(await decide(await openAs(email), id)).toMatchObject(REFUSED);
  };
  const { email: honest } = await enrollOperator(api, 'admin', 'honest@example.test');
  await reset(await openAs(honest), puppetId);
  await api.database.queryAsOwner(
    "UPDATE operators SET former_password_until = now() - interval '60 days' WHERE id = $1",
    [puppetId],
  );
  await expectRefused();
  expect((await change(email, PASSWORD, OWN)).status).toBe(201);
  await expectRefused();
});

test('the guide tells the rule in the words of the reference', () => {
  const guide = readFileSync(new URL('../../docs/trying-it.md', import.meta.url), 'utf8').replace(
    /\s+/g,
    ' ',
  );
  const rule = WHO_KNOWS_A_PASSWORD.replaceAll('’', "'").replace(/\.$/, '');
  expect(guide.includes(rule)).toBe(true);
});

test('what somebody with the command line set may be known to anybody', async () => {
  const { send } = await openMade('made');
  await api.database.queryAsOwner(
    "UPDATE operators SET password_set_by = 'cli' WHERE name = 'made'",
  );
  const { id } = await store(LARGE);
  expect((await decide(send, id)).status).toBe(202);
  expect(await decide(admin.send, id)).toMatchObject(REFUSED);
});
