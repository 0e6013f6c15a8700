import { recordReattempt } from '../../db/dispatch.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { MissingRow } from '../../db/missing-row.ts';
import type { Pool } from '../../db/pool.ts';
import { record } from '../../db/record.ts';
import {
  isClosed,
  next,
  PAYMENT_EVENTS,
  PAYMENT_STATUSES,
  type PaymentEvent,
  type PaymentStatus,
} from '../../domain/payment-states.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  dispatch,
  freeReceipts,
  listEntries,
  MERCHANT,
  makeOutcome,
  makeRecord,
  recordEvent,
  reread,
  storePayment,
  storePaymentIn,
} from '../factories.ts';

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
});
afterAll(() => database.close());
afterEach(() => freeReceipts(database));

const EVERY_CELL = PAYMENT_STATUSES.flatMap((from) =>
  PAYMENT_EVENTS.map((event) => ({ from, event })),
);

test.each(EVERY_CELL)(
  '$event while $from is written as the table says',
  async ({ from, event }) => {
    const payment = await storePaymentIn(pool, from);
    const before = await listEntries(database, payment);
    const transition = next(from, event);
    const to = transition.kind === 'moved' ? transition.to : from;
    const refused = transition.kind === 'refused';

    // The provider told of a charge that no send is on record of.
    const isForgotten = from === 'created' && to === 'needs_review';
    expect(await recordEvent(pool, payment, event, { key: 'k' })).toEqual({
      status: to,
      // It came to review as the factory says; a bare event of this test names no reason.
      ...(from === 'needs_review' && to === from ? { reviewReason: 'no_answer' } : {}),
      ...(isForgotten ? { reviewReason: 'history_lost' } : {}),
      changed: to !== from,
      refused,
    });

    const after = await reread(pool, payment);
    expect(after.status).toBe(to);
    expect(after.completedAt !== null).toBe(isClosed(to));
    expect(after.amountCapturedMinor).toBe(to === 'succeeded' ? 10_000 : 0);
    const entries = await listEntries(database, payment);
    expect(entries).toHaveLength(before.length + 1);
    const moved = isForgotten ? 'payment.review_needed' : 'payment.succeeded';
    const action = refused ? 'payment.transition_refused' : moved;
    expect(entries.at(-1)).toMatchObject({ key: 'k', action, from_status: from, to_status: to });
  },
);

test('the same key twice is once: neither the row nor the trail changes again', async () => {
  const payment = await storePaymentIn(pool, 'processing');
  const request = makeRecord(payment, { key: 'callback', event: 'succeeded' });
  const first = await record(pool, { ...request, outcome: makeOutcome('succeeded') });
  expect(first).toEqual({ status: 'succeeded', changed: true, refused: false });
  const [row, entries] = [await reread(pool, payment), await listEntries(database, payment)];
  // Whoever lost the first reply hears what that one would have said.
  expect(await record(pool, { ...request, event: 'declined' })).toEqual(first);
  expect([await reread(pool, payment), await listEntries(database, payment)]).toEqual([
    row,
    entries,
  ]);
});

test('the same key from 20 sides at once is once', async () => {
  const payment = await storePaymentIn(pool, 'processing');
  const request = makeRecord(payment, { key: 'callback', event: 'succeeded' });
  const results = await Promise.all(Array.from({ length: 20 }, () => record(pool, request)));
  // Each of them hears what the first one does: nobody knows whose reply may be lost.
  const answer = { status: 'succeeded', changed: true, refused: false };
  expect(results).toEqual(results.map(() => answer));
  expect(
    (await listEntries(database, payment)).filter(({ key }) => key === 'callback'),
  ).toHaveLength(1);
});

// table
test.each([
  // dispatch_count, proven unsent -> what a step that needs the proof does
  [0, 0, 'canceled'],
  [1, 1, 'canceled'],
  [2, 2, 'canceled'],
  [1, 0, 'may be at the provider'],
  [2, 1, 'may be at the provider'],
])('of %i sends claimed and %i proven unsent, a cancel is: %s', async (claimed, proven, is) => {
  const payment = await storePayment(pool);
  for (let send = 1; send <= claimed; send += 1) await dispatch(pool, payment, send);
  const before = [await reread(pool, payment), await listEntries(database, payment)];
  const cancel = makeRecord(payment, { event: 'canceled', provenUnsent: proven });
  const answer = await record(pool, cancel);
  if (is === 'canceled') return expect(answer).toMatchObject({ status: 'canceled' });
  const status = 'processing';
  expect(answer).toEqual({ status, changed: false, refused: false, mayBeAtProvider: true });
  // Nor is another attempt opened.
  const { provider, credentialsRef, policy } = payment;
  const outcome = makeOutcome('declined');
  const failed = makeRecord(payment, { outcome, provenUnsent: proven });
  const route = { provider, credentialsRef, policy };
  const { attemptId } = payment;
  expect(await recordReattempt(pool, { ...failed, route })).toEqual({
    attemptId,
    status,
    isOpened: false,
    mayBeAtProvider: true,
  });
  expect([await reread(pool, payment), await listEntries(database, payment)]).toEqual(before);
});

test('a step that needs the proof finds that the attempt is gone', async () => {
  const payment = await storePayment(pool);
  const gone = { ...payment, attemptId: 'att_none' };
  const cancel = makeRecord(gone, { event: 'canceled', provenUnsent: 0 });
  await expect(record(pool, cancel)).rejects.toBeInstanceOf(MissingRow);
  expect((await reread(pool, payment)).status).toBe('created');
});

test('of many outcomes at once each is decided on what the one before left', async () => {
  const payment = await storePaymentIn(pool, 'processing');
  const events: readonly PaymentEvent[] = ['canceled', 'succeeded', 'declined', 'gave_up'];
  await Promise.all(events.map((event) => recordEvent(pool, payment, event, { cause: event })));
  const decided = (await listEntries(database, payment)).slice(-events.length);
  let status: PaymentStatus = 'processing';
  for (const entry of decided) {
    const event = events.find((it) => entry.cause.startsWith(it)) ?? 'dispatched';
    const transition = next(status, event);
    expect(entry.from_status).toBe(status);
    if (transition.kind === 'moved') status = transition.to;
    expect(entry.to_status).toBe(status);
  }
  expect((await reread(pool, payment)).status).toBe(status);
});

test('when one part cannot be written, nothing is', async () => {
  const payment = await storePaymentIn(pool, 'processing');
  const [before, entries] = [await reread(pool, payment), await listEntries(database, payment)];
  const broken = makeRecord(
    { ...payment, attemptId: 'att_none' },
    { event: 'succeeded', outcome: makeOutcome('succeeded') },
  );
  await expect(record(pool, broken)).rejects.toThrow();
  expect([await reread(pool, payment), await listEntries(database, payment)]).toEqual([
    before,
    entries,
  ]);
});

test('a payment that is not there is an error, not a silence', async () => {
  const payment = await storePayment(pool);
  const nowhere = makeRecord({ ...payment, id: 'pay_none' }, { event: 'succeeded' });
  await expect(record(pool, nowhere)).rejects.toThrow();
});
