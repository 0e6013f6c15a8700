import { listBrokenLinks } from '../../db/audit.ts';
import { recordReattempt } from '../../db/dispatch.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import type { Pool } from '../../db/pool.ts';
import { recordProviderRefund } from '../../db/provider-refunds.ts';
import { recordRefund } from '../../db/record-refund.ts';
import { recordRefundDispatch } from '../../db/refund-dispatch.ts';
import { listRefunds } from '../../db/refunds.ts';
import { listOverdueRefunds, listParkedMoney } from '../../db/sweep.ts';
import { insertWebhookEvent } from '../../db/webhook-events.ts';
import type { Payment } from '../../domain/payment.ts';
import type { ProviderRefund } from '../../domain/provider-refund.ts';
import { type Refund, refundFailure } from '../../domain/refund.ts';
import type { RefundEvent } from '../../domain/refund-states.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  listEntries,
  MERCHANT,
  makeOutcome,
  makeRecord,
  makeRefundRecord,
  makeWebhookEvent,
  recordEvent,
  reread,
  storePaymentIn,
  storeRefund,
} from '../factories.ts';

/** Refunds that somebody made in the provider's dashboard, of a payment of 100.00. */
let database: TestDatabase;
let pool: Pool;
let payment: Payment;
const PLACE = { provider: 'stripe', credentialsRef: 'env:stripe@1' };
beforeEach(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
  payment = await storePaymentIn(pool, 'succeeded', PLACE);
});
afterEach(() => database.close());

type Kind = 'pending' | 'succeeded' | 'failed';
function made(kind: Kind, changes: Partial<ProviderRefund> = {}): ProviderRefund {
  const { providerRefundId = 're_1', amountMinor = 2_000 } = changes;
  const failure = kind === 'failed' ? refundFailure('not_reachable', 'lost_or_stolen_card') : null;
  const told = { providerRefundId, providerCode: kind };
  const result =
    kind === 'pending'
      ? { kind, message: 'at it', ...told }
      : { kind, receipt: null, amountMinor, failure, ...told };
  const place = { providerRefundId, providerPaymentId: 'ws_CO_1', currency: 'KES' };
  return { ...place, amountMinor, result, ...changes };
}

/** A signed callback tells of it; returns what became of it, and the callback's row. */
async function tell(refund: ProviderRefund, account = 'env:stripe') {
  const event = { kind: 'provider_refund', refund } as const;
  const stored = makeWebhookEvent({ provider: 'stripe', account, event });
  await insertWebhookEvent(pool, stored);
  const found = { eventId: stored.id, provider: 'stripe', account, refund };
  const became = await recordProviderRefund(pool, found);
  const [row] = await database.queryAsOwner(
    'SELECT status, error, payment_id FROM webhook_events WHERE id = $1',
    [stored.id],
  );
  return { became, row };
}
const sums = async () => {
  const { amountReservedMinor, amountRefundedMinor } = await reread(pool, payment);
  return [amountReservedMinor, amountRefundedMinor];
};
const listAll = () => listRefunds(pool, payment.id, null, 10);
const told = async () =>
  (
    await database.queryAsOwner(
      `SELECT type FROM outgoing_events WHERE type NOT LIKE 'payment.%' ORDER BY position`,
    )
  ).map(({ type }) => type);

const refundOurs = (amountMinor: number) => storeRefund(pool, payment, { amountMinor });
const settleOurs = (refund: Refund, event: RefundEvent, providerRefundId: string | null = null) =>
  recordRefund(
    pool,
    makeRefundRecord(refund, { key: `${refund.id}/${event}`, event, providerRefundId }),
  );

test('one is counted, listed, told to the merchant and on the trail, once', async () => {
  expect(await tell(made('succeeded'))).toMatchObject({
    became: 'recorded',
    row: { status: 'applied', payment_id: payment.id },
  });
  expect(await sums()).toEqual([0, 2_000]);
  expect(await listAll()).toMatchObject([
    { origin: 'provider', status: 'succeeded', amountMinor: 2_000, providerRefundId: 're_1' },
  ]);
  expect(await told()).toEqual(['refund.created', 'refund.succeeded']);
  const entries = (await listEntries(database, payment)).slice(-2);
  expect(entries.map(({ action }) => action)).toEqual([
    'refund.made_at_provider',
    'refund.succeeded',
  ]);
  expect((await tell(made('succeeded'))).became).toBe('nothing_new');
  expect((await tell(made('pending'))).became).toBe('nothing_new');
  expect(await sums()).toEqual([0, 2_000]);
  expect(await listAll()).toHaveLength(1);
  expect(await listBrokenLinks(pool, payment.id)).toEqual([]);
});

// table
test.each([
  [['pending'], 'pending', 2_000, 0],
  [['pending', 'succeeded'], 'succeeded', 0, 2_000],
  [['pending', 'failed'], 'failed', 0, 0],
  [['succeeded', 'failed'], 'failed', 0, 0],
  [['failed'], 'failed', 0, 0],
  [['failed', 'pending'], 'failed', 0, 0],
  [['failed', 'succeeded'], 'needs_review', 2_000, 0],
] as const)('one that is %j is %s', async (kinds, status, reserved, refunded) => {
  for (const kind of kinds) await tell(made(kind));
  expect((await listAll()).map((it) => it.status)).toEqual([status]);
  expect(await sums()).toEqual([reserved, refunded]);
});

test('two of them are two, and the rest is what we may refund', async () => {
  await tell(made('succeeded'));
  await tell(made('succeeded', { providerRefundId: 're_2', amountMinor: 3_000 }));
  expect(await sums()).toEqual([0, 5_000]);
  const left = await refundOurs(5_000);
  expect(left).toMatchObject({ origin: 'malipo', amountMinor: 5_000 });
});

test('a refund of ours that is told without our mark is not counted twice', async () => {
  const ours = await refundOurs(2_000);
  await settleOurs(ours, 'succeeded', 're_1');
  expect((await tell(made('succeeded'))).became).toBe('nothing_new');
  expect(await sums()).toEqual([0, 2_000]);
  expect(await listAll()).toHaveLength(1);
});

test.each([
  ['another account', made('succeeded'), 'env:other'],
  ['another payment of the account', made('succeeded', { providerPaymentId: 'pi_9' }), undefined],
])('one of %s is none of ours', async (_what, refund, account) => {
  expect(await tell(refund, account)).toMatchObject({
    became: 'nothing_new',
    row: { status: 'applied', error: 'it names no payment of ours', payment_id: null },
  });
  expect(await sums()).toEqual([0, 0]);
});

test('one in another currency is left to a person', async () => {
  const { became, row } = await tell(made('succeeded', { currency: 'USD' }));
  expect([became, row?.status, row?.payment_id]).toEqual(['parked', 'parked', payment.id]);
  expect(await sums()).toEqual([0, 0]);
});

test('one that is told before its payment’s money waits for that', async () => {
  payment = await storePaymentIn(pool, 'processing', PLACE);
  await recordEvent(pool, payment, 'action_required', { providerPaymentId: 'pi_2' });
  const refund = made('succeeded', { providerPaymentId: 'pi_2' });
  const { became, row } = await tell(refund);
  expect([became, row?.status]).toEqual(['parked', 'parked']);
  const [parked] = await listParkedMoney(pool, 10);
  expect(parked).toMatchObject({ event: { kind: 'provider_refund' }, payment_id: payment.id });
  const paid = makeOutcome('succeeded', { providerPaymentId: 'pi_2', receipt: 'ch_2' });
  await recordEvent(pool, payment, 'succeeded', { outcome: paid });
  const found = { provider: 'stripe', account: 'env:stripe', refund };
  await recordProviderRefund(pool, { ...found, eventId: parked?.id ?? null });
  expect(await sums()).toEqual([0, 2_000]);
  expect(await listParkedMoney(pool, 10)).toEqual([]);
});

describe('beside a refund of ours that is on its way', () => {
  let ours: Refund;
  beforeEach(async () => {
    ours = await refundOurs(9_000);
    await tell(made('succeeded'));
  });
  const read = async () => (await listAll()).find(({ id }) => id === ours.id);

  test('it counts, and ours gives way until it ends', async () => {
    expect(await sums()).toEqual([8_000, 2_000]);
    expect(await read()).toMatchObject({ status: 'pending', amountOverMinor: 1_000 });
    await settleOurs(ours, 'failed');
    expect(await sums()).toEqual([0, 2_000]);
    expect(await read()).toMatchObject({ status: 'failed', amountOverMinor: 0 });
  });

  test('a success of ours all the same is more than was taken: a person looks', async () => {
    expect(await settleOurs(ours, 'succeeded')).toMatchObject({
      status: 'needs_review',
      reviewReason: 'over_refunded',
    });
    expect(await sums()).toEqual([8_000, 2_000]);
  });

  test('when it is taken back, ours fits again', async () => {
    await tell(made('failed'));
    expect(await settleOurs(ours, 'succeeded')).toMatchObject({ status: 'succeeded' });
    expect(await sums()).toEqual([0, 9_000]);
    expect(await read()).toMatchObject({ amountOverMinor: 0 });
  });
});

test('more than was taken, by refunds that have ended, goes to a person', async () => {
  await settleOurs(await refundOurs(9_000), 'succeeded');
  await tell(made('succeeded'));
  const [, foreign] = await listAll();
  expect(foreign).toMatchObject({
    origin: 'provider',
    status: 'needs_review',
    reviewReason: 'over_refunded',
    amountOverMinor: 1_000,
  });
  expect(await sums()).toEqual([1_000, 9_000]);
});

test('of an earlier attempt it stands on the trail, and counts against nothing', async () => {
  payment = await storePaymentIn(pool, 'processing', PLACE);
  const declined = makeOutcome('declined', { providerPaymentId: 'pi_early' });
  const { policy, provider, credentialsRef } = await reread(pool, payment);
  const route = { provider, credentialsRef, policy };
  const request = makeRecord(payment, { outcome: declined, key: 'again' });
  const { attemptId } = await recordReattempt(pool, { ...request, route });
  const paid = makeOutcome('succeeded', { providerPaymentId: 'pi_late', receipt: 'ch_late' });
  const changed = await database.queryAsOwner(
    `UPDATE payments SET status = 'succeeded', amount_captured = amount,
     provider_payment_id = $2 WHERE id = $1 AND attempt_id = $3 RETURNING id`,
    [payment.id, paid.providerPaymentId, attemptId],
  );
  expect(changed).toHaveLength(1);
  for (let times = 0; times < 2; times += 1) {
    await tell(made('succeeded', { providerPaymentId: 'pi_early' }));
  }
  expect(await sums()).toEqual([0, 0]);
  const noted = (await listEntries(database, payment)).filter(
    ({ action }) => action === 'refund.made_at_provider',
  );
  expect(noted).toMatchObject([{ cause: expect.stringContaining('earlier attempt') }]);
});

test('nothing here ever sends one, and a silent one is asked about', async () => {
  await tell(made('pending'));
  const [refund] = await listAll();
  if (refund === undefined) throw new Error('it is not there');
  const claim = { refundId: refund.id, paymentId: payment.id, nonce: 'n' };
  for (const send of [1, 2]) {
    expect((await recordRefundDispatch(pool, { ...claim, send })).kind).not.toBe('dispatched');
  }
  await database.queryAsOwner(`UPDATE refunds SET wait_until = now() - interval '1 hour'`);
  expect(await listOverdueRefunds(pool, 'pending', 0, 10)).toMatchObject([
    { id: refund.id, is_sent: true },
  ]);
});
