import { readFileSync } from 'node:fs';
import type { ProviderClient } from '../../domain/provider.ts';
import type { RefundRequest } from '../../domain/refund.ts';
import { cpay } from '../../providers/cpay/index.ts';
import { type RunningSimulator, SANDBOX, startSimulator } from '../../providers/cpay/simulator.ts';
import { openReceiver, type Receiver, saying } from '../receiver.ts';
import { connect, errorOf, makeContext, makeRequest } from './contract/harness.ts';

/** CPay's table of amounts, row by row as its README has it, and what our client meets by it. */
type Seen = {
  /** The answer to the charge, and what a look-up tells once there was time to decide. */
  readonly charge: readonly [answer: string, later: string];
  /** The same of a refund; none where there is nothing to give back. */
  readonly refund?: readonly [answer: string, later: string];
};
const PAID = ['succeeded', 'succeeded'] as const;
// biome-ignore format: table, one row per line
const TABLE: readonly (readonly [digits: string, charge: string, rest: string, seen: Seen])[] = [
  ['01', 'declined', '`declined`', { charge: ['declined', 'declined'] }],
  ['02', 'declined', '`insufficient_funds`', { charge: ['insufficient_funds', 'insufficient_funds'] }],
  ['03', 'pending, then succeeded', 'after `decide_after_ms`, by webhook', { charge: ['pending', 'succeeded'], refund: PAID }],
  ['04', 'pending, then declined', '`payer_canceled`', { charge: ['pending', 'payer_canceled'] }],
  ['05', 'pending for ever', 'no webhook tells a result', { charge: ['pending', 'pending'] }],
  ['06', 'succeeded', 'the answer is lost: 500', { charge: ['ambiguous', 'succeeded'], refund: PAID }],
  ['07', 'succeeded', 'the answer is lost: timeout', { charge: ['ambiguous', 'succeeded'], refund: PAID }],
  ['08', 'succeeded', 'the answer is lost: reset', { charge: ['ambiguous', 'succeeded'], refund: PAID }],
  ['09', 'nothing is done', '429 with `Retry-After`, every time', { charge: ['rate_limited', 'unknown'] }],
  ['10', 'succeeded', 'its refunds are pending, then succeed', { charge: PAID, refund: ['pending', 'succeeded'] }],
  ['11', 'succeeded', 'its refunds fail', { charge: PAID, refund: ['failed', 'failed'] }],
  ['12', 'pending, then succeeded', 'the webhook names another amount', { charge: ['pending', 'succeeded'], refund: PAID }],
  ['13', 'declined', '`try_again_later`', { charge: ['try_again_later', 'try_again_later'] }],
  ['14', 'succeeded', 'its refunds succeed and are taken back', { charge: PAID, refund: ['succeeded', 'failed'] }],
  ['any other', 'succeeded at once', '', { charge: PAID, refund: PAID }],
];

let receiver: Receiver;
let simulator: RunningSimulator;
let client: ProviderClient;

beforeEach(async () => {
  receiver = await openReceiver();
  const settings = { webhook_delay_ms: 0, decide_after_ms: 600_000 };
  simulator = await startSimulator({ port: 0, settings });
  client = connect(cpay, { ...SANDBOX.credentials, base_url: simulator.url });
});
afterEach(async () => {
  await client.close();
  await simulator.close();
  await receiver.close();
});

type Ledger = {
  readonly charges: readonly { readonly id: string; readonly status: string }[];
  readonly webhooks: readonly { readonly id: string; readonly status: number }[];
};
const control = async (method: string, path: string, body?: object) => {
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
  const answer = await fetch(`${simulator.url}/simulator/${path}`, init);
  return JSON.parse(await answer.text());
};
const readLedger = (): Promise<Ledger> => control('GET', 'ledger');

/** Long enough for an answer; only an answer that never comes takes all of it. */
const TIMEOUT_MS = 2_000;
const ask = (amountMinor: number) =>
  makeRequest({ name: 'any', request: () => ({}) }, receiver.url, {
    amount: { amountMinor, currency: 'KES' },
    timeoutMs: TIMEOUT_MS,
  });
const { signal } = makeContext();

type Told = { readonly kind: string; readonly providerCode?: string | null };
/** A decline by its code, since that is what tells one from another. */
const wordOf = ({ kind, providerCode }: Told) => (kind === 'declined' ? providerCode : kind);
const wordOrError = (call: Promise<Told>) =>
  call.then(wordOf, async () => (await errorOf(call)).kind);

const refundOf = (providerPaymentId: string, amountMinor: number): RefundRequest => ({
  workflowId: 'refund-1',
  idempotencyKey: 'pay_1/ref_1',
  amount: { amountMinor, currency: 'KES' },
  providerPaymentId,
  providerReceipt: null,
  reason: '',
  callbackUrls: {},
  timeoutMs: TIMEOUT_MS,
});
const lookUpRefund = async () =>
  await client.lookupRefund?.(
    {
      workflowId: 'refund-1',
      providerPaymentId: null,
      providerRefundId: null,
      callbackUrls: {},
      timeoutMs: TIMEOUT_MS,
    },
    signal,
  );

it('the README’s table is the one that is tried here', () => {
  const readme = readFileSync(new URL('../../providers/cpay/README.md', import.meta.url), 'utf8');
  const [, table = ''] = /\n\|---\|---\|---\|\n((?:\|.*\n)+)/.exec(readme) ?? [];
  const rows = table.trimEnd().split('\n');
  const read = rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  // One row may be of several digits, each with its own end of the last column.
  const single = read.flatMap(([digits = '', charge = '', rest = '']) => {
    const [what = '', ends = ''] = rest.split(': ');
    const each = digits.split(', ');
    return each.map((its, place) => {
      const end = ends.split(', ')[place];
      return [its, charge, end === undefined || end === '' ? what : `${what}: ${end}`];
    });
  });
  expect(single).toEqual(TABLE.map(([digits, charge, rest]) => [digits, charge, rest]));
});

it.each(TABLE)('%s: %s; %s', async (digits, _charge, _rest, seen) => {
  const amountMinor = 10_000 + (Number(digits) || 55);
  const request = ask(amountMinor);
  const answer = await wordOrError(client.charge(request, makeContext()));
  const { charges } = await readLedger();
  const [{ id } = { id: '' }] = charges;
  if (id !== '') await control('POST', `charges/${id}/decide`);
  const { attemptRef } = request;
  const question = { providerPaymentId: null, attemptRef, timeoutMs: TIMEOUT_MS };
  const later = await client.lookup(question, signal);
  expect([answer, wordOf(later)]).toEqual(seen.charge);
  expect(charges).toHaveLength(digits === '09' ? 0 : 1);
  const isPaid = later.kind === 'succeeded';
  expect(isPaid).toBe(seen.refund !== undefined);
  if (!isPaid) return;
  expect(later.money).toEqual({ amountMinor, currency: 'KES' });
  await control('PATCH', 'settings', { decide_after_ms: 1 });
  const refunded = await client.refund?.(refundOf(id, amountMinor), makeContext());
  let now = await lookUpRefund();
  for (let tries = 0; tries < 500 && now?.kind !== seen.refund?.[1]; tries += 1) {
    now = await lookUpRefund();
  }
  expect([refunded?.kind, now?.kind]).toEqual(seen.refund);
});

it('09 says when to come again, each time', async () => {
  const request = ask(10_009);
  for (const _time of ['first', 'second']) {
    const error = await errorOf(client.charge(request, makeContext()), 'rate_limited');
    expect(error.retryAfterMs).toBe(1_000);
  }
});

it.each([
  [10_003, 10_003],
  [10_012, 10_013],
])('tells by webhook of %i what was taken: %i', async (amount, told) => {
  const { providerPaymentId } = await client.charge(ask(amount), makeContext());
  await control('POST', `charges/${providerPaymentId}/decide`);
  const listResults = () =>
    receiver.received.filter(({ event }) => event.data?.status === 'succeeded');
  await receiver.until(() => listResults().length > 0);
  expect(listResults().map(({ event }) => event)).toMatchObject([
    { type: 'charge.updated', data: { id: providerPaymentId, amount, amount_captured: told } },
  ]);
});

it('sends a webhook again, under the same id, until it is taken', async () => {
  receiver.answer = (response) => saying(receiver.received.length < 3 ? 500 : 200)(response);
  await client.charge(ask(10_000), makeContext());
  await receiver.until((received) => received.length === 3);
  expect(new Set(receiver.received.map(({ event }) => event.id)).size).toBe(1);
  let { webhooks } = await readLedger();
  while (webhooks.length < 3) ({ webhooks } = await readLedger());
  expect(webhooks.map(({ status }) => status)).toEqual([500, 500, 200]);
});

const CHARGE = { amount: 10_000, currency: 'KES', callback_url: 'http://127.0.0.1:9/hook' };
// biome-ignore format: table, one case per line
test.each([
  ['a field that it does not know', '/charges', { ...CHARGE, amout: 1 }, 422, 'unknown', 'amout'],
  ['a field of another call', '/charges/ch_1/capture', { amount: 1, metadata: {} }, 422, 'unknown', 'metadata'],
  ['a body where none is due', '/charges/ch_1/cancel', { amount: 1 }, 422, 'unknown', 'amount'],
  ['a field of a charge in a refund', '/refunds', { charge: 'ch_1', amount: 1, currency: 'KES' }, 422, 'unknown', 'currency'],
  ['an amount in words', '/charges', { ...CHARGE, amount: '10000' }, 422, 'invalid', 'amount'],
  ['a flag in words', '/charges', { ...CHARGE, capture: 'false' }, 422, 'invalid', 'capture'],
  ['metadata that are a list', '/charges', { ...CHARGE, metadata: ['a'] }, 422, 'invalid', 'metadata'],
  ['metadata that are no text', '/charges', { ...CHARGE, metadata: { attempt: 1 } }, 422, 'invalid', 'metadata'],
  ['a list', '/charges', [CHARGE], 400, 'malformed', null],
])('%s is refused by its name, and nothing is done', async (_what, path, body, status, code, field) => {
  const answer = await fetch(`${simulator.url}/v1${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${SANDBOX.credentials.api_key}` },
    body: JSON.stringify(body),
  });
  expect([answer.status, await answer.json()]).toEqual([status, { error: { code, field } }]);
  expect((await readLedger()).charges).toEqual([]);
});
