import { record } from '../../db/record.ts';
import { insertWebhookEvent } from '../../db/webhook-events.ts';
import { PROVIDERS } from '../../providers/index.ts';
import { makeOutcome, makeRecord, makeWebhookEvent, storePaymentIn, VAULT } from '../factories.ts';
import { listStored, makeStkCallback, stkPath } from './callbacks.ts';
import { openOperator } from './operators.ts';
import { openTestApi, type TestApi } from './server.ts';

/** Daraja's ids end in nine digits of the payer's phone: inside they are tokens, outside not. */
const ID = 'ws_CO_25112026093011214712345678';
const DIGITS = '712345678';
const TOKEN = VAULT.sealId(ID);

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

/** A payment that Daraja took, as the activity's answer left it. */
async function storeSent(providerPaymentId: string) {
  const payment = await storePaymentIn(api.pool, 'processing');
  await record(api.pool, makeRecord(payment, { providerPaymentId }));
  return payment;
}

const tell = (payment: Awaited<ReturnType<typeof storeSent>>, checkoutId = ID) =>
  api.send('POST', stkPath(api, payment), { body: makeStkCallback({ checkoutId }) });
const heard = () => api.engine.delivered.map(({ event }) => event.event.providerPaymentId);

test('a callback is kept and passed on under the token', async () => {
  await tell(await storeSent(TOKEN));
  expect(heard()).toEqual([TOKEN]);
  const [stored] = await listStored(api);
  expect(stored?.row).toContain(TOKEN);
  expect(stored?.row).not.toContain(DIGITS);
});

test('one that comes before the answer of its charge is told so as well', async () => {
  await tell(await storePaymentIn(api.pool, 'processing'));
  expect(heard()).toEqual([TOKEN]);
});

test('with the database away Temporal keeps it under the token', async () => {
  const payment = await storeSent(TOKEN);
  await api.cutDatabase();
  await tell(payment);
  expect(heard()).toEqual([TOKEN]);
  expect(JSON.stringify(api.engine.delivered)).not.toContain(DIGITS);
});

test('a repetition of what has ended is nothing new', async () => {
  const payment = await storeSent(TOKEN);
  const outcome = makeOutcome('succeeded', { providerPaymentId: TOKEN });
  await record(api.pool, makeRecord(payment, { key: 'end', event: 'succeeded', outcome }));
  api.engine.workflows = 'closed';
  await tell(payment);
  expect(await listStored(api)).toMatchObject([{ status: 'applied' }]);
});

test('the key of a callback cannot be guessed from what it says', async () => {
  const payment = await storeSent(TOKEN);
  await tell(payment, 'ws_CO_1');
  await api.send('POST', stkPath(api, payment), { body: '{"PhoneNumber": 254712345678}' });
  const keys = await api.database.queryAsOwner<{ event_key: string }>(
    'SELECT event_key FROM webhook_events ORDER BY id',
  );
  expect(keys.map(({ event_key }) => event_key.split(':')[1])).toEqual([
    expect.stringMatching(/^[0-9a-f]{32}$/),
    'malformed',
  ]);
  const read = PROVIDERS.mpesa.webhook.translate(Buffer.from(JSON.stringify(makeStkCallback())));
  if (read.kind !== 'event') throw new Error('it was not read');
  expect(keys[0]?.event_key).not.toContain(read.eventKey);
});

test('merchants and operators see the id of the provider’s portal, and find it', async () => {
  const operator = await openOperator(api, 'operator');
  const { id } = await storeSent(TOKEN);
  expect((await api.send('GET', `/api/v1/payments/${id}`)).body.provider_payment_id).toBe(ID);
  const seen = await operator.send('GET', `/api/v1/admin/payments/${id}`);
  expect(seen.body.provider_payment_id).toBe(ID);
  for (const asked of [ID, TOKEN]) {
    const path = `/api/v1/admin/payments?provider_payment_id=${asked}`;
    const { data } = (await operator.send('GET', path)).body;
    expect(data.map((it) => it.id)).toEqual([id]);
  }
});

async function storeUnmatchedReceipt(provider: string, providerPaymentId: string) {
  const payment = await storePaymentIn(api.pool, 'succeeded');
  const { event } = await insertWebhookEvent(api.pool, makeWebhookEvent({ provider }));
  const unmatchedReceipt = {
    kind: 'succeeded',
    providerPaymentId,
    receipt: 'R0',
    money: null,
  } as const;
  const webhook = { eventId: event.id, status: 'applied', note: 'unmatched receipt' } as const;
  await record(api.pool, makeRecord(payment, { unmatchedReceipt, webhook }));
  return payment;
}

test('money under another id is decided about by that id, which is kept nowhere', async () => {
  const operator = await openOperator(api, 'operator');
  const { id } = await storeUnmatchedReceipt('mpesa', TOKEN);
  const said = { provider_payment_id: ID, resolution: 'kept', reason: 'it is theirs' };
  const path = `/api/v1/admin/payments/${id}/unmatched-receipts`;
  const unknown = await operator.send('POST', path, {
    body: { ...said, provider_payment_id: 'x' },
  });
  expect(unknown.status).toBe(404);
  const resolved = await operator.send('POST', path, { body: said });
  expect(resolved.body.unmatched_receipts).toMatchObject([
    { provider_payment_id: ID, status: 'kept' },
  ]);
  const rows = await api.database.queryAsOwner<{ row: string }>(
    'SELECT a::text AS row FROM operator_activity a UNION SELECT p::text FROM payments p',
  );
  expect(rows.map(({ row }) => row).join()).not.toContain(DIGITS);
});

test('a token that a signed callback names is not opened for its merchant', async () => {
  const { id } = await storeUnmatchedReceipt('stripe', TOKEN);
  const { body } = await api.send('GET', `/api/v1/payments/${id}`);
  expect(body.unmatched_receipts).toMatchObject([
    { provider: 'stripe', provider_payment_id: TOKEN },
  ]);
  expect(JSON.stringify(body)).not.toContain(DIGITS);
});
