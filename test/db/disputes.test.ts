import { recordDispute } from '../../db/disputes.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import type { Pool } from '../../db/pool.ts';
import { insertRefund } from '../../db/refunds.ts';
import {
  addDispute,
  type Dispute,
  disputeAgainstRefund,
  disputeInForce,
  lostMinor,
} from '../../domain/dispute.ts';
import type { Payment } from '../../domain/payment.ts';
import { refundableMinor } from '../../domain/refund.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  MERCHANT,
  makeNewRefund,
  makeOutcome,
  recordEvent,
  reread,
  storePaymentIn,
} from '../factories.ts';

/** The payer's bank wants money back: as often as it likes, and for parts of it. */
let database: TestDatabase;
let pool: Pool;
let payment: Payment;
beforeEach(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
  payment = await storePaymentIn(pool, 'succeeded');
});
afterEach(() => database.close());

type Changes = Partial<Dispute>;
const make = (providerDisputeId: string, changes: Changes = {}): Dispute => ({
  providerDisputeId,
  providerPaymentId: 'ws_CO_1',
  status: 'open',
  amountMinor: 4_000,
  currency: 'KES',
  reason: 'fraudulent',
  ...changes,
});
let told = 0;
const tell = (id: string, changes: Changes = {}) => {
  told += 1;
  const found = { eventId: `evt_${told}`, provider: payment.provider, account: null };
  return recordDispute(pool, { ...found, dispute: make(id, changes) });
};
const refund = (amountMinor: number | null) =>
  insertRefund(pool, makeNewRefund(payment, { amountMinor }));
const read = async () => {
  const row = await reread(pool, payment);
  return [row.amountDisputedMinor, row.amountReservedMinor, refundableMinor(row)];
};

test('a second dispute stands beside the first, and the open one counts', async () => {
  await tell('dp_1');
  await tell('dp_2', { amountMinor: 1_000 });
  await tell('dp_2', { amountMinor: 1_000, status: 'won' });
  const { disputes } = await reread(pool, payment);
  expect(disputes.map((it) => [it.providerDisputeId, it.status])).toEqual([
    ['dp_1', 'open'],
    ['dp_2', 'won'],
  ]);
  expect(disputeInForce(disputes)?.providerDisputeId).toBe('dp_1');
  const events = await database.queryAsOwner(
    `SELECT data->>'dispute_status' AS status FROM outgoing_events
     WHERE type = 'payment.disputed' ORDER BY position`,
  );
  expect(events).toEqual([{ status: 'open' }, { status: 'open' }, { status: 'open' }]);
});

// table
test.each([
  ['lost', 4_000, [['dp_1', { status: 'lost' }]]],
  [
    'both lost',
    8_000,
    [
      ['dp_1', { status: 'lost' }],
      ['dp_2', { status: 'lost' }],
    ],
  ],
  ['lost beyond the whole', 10_000, [['dp_1', { status: 'lost', amountMinor: 99_000 }]]],
  ['lost in another currency', 10_000, [['dp_1', { status: 'lost', currency: 'USD' }]]],
  ['open', 0, [['dp_1', {}]]],
  ['won', 0, [['dp_1', { status: 'won' }]]],
  [
    'lost, and won after all',
    0,
    [
      ['dp_1', { status: 'lost' }],
      ['dp_1', { status: 'won' }],
    ],
  ],
  [
    'lost, and told as open late',
    4_000,
    [
      ['dp_1', { status: 'lost' }],
      ['dp_1', {}],
    ],
  ],
] as const)('of disputes that are %s, %i cannot be refunded', async (_what, lost, steps) => {
  for (const [id, changes] of steps) await tell(id, changes);
  expect(await read()).toEqual([lost, 0, 10_000 - lost]);
});

test('what a dispute took cannot be refunded, and a refund on its way gives way', async () => {
  expect((await refund(8_000)).kind).toBe('inserted');
  await tell('dp_1', { status: 'lost' });
  expect(await read()).toEqual([4_000, 6_000, 0]);
  expect((await refund(1)).kind).toBe('too_much');
});

// table
test.each([
  ['open', {}, 'disputed'],
  ['an open inquiry', { isInquiry: true }, 'inserted'],
  ['won', { status: 'won' }, 'inserted'],
  ['lost', { status: 'lost' }, 'inserted'],
] as const)('with a dispute that is %s, a refund of the rest is %s', async (...each) => {
  const [, changes, kind] = each;
  await tell('dp_1', changes);
  const insertion = await refund(null);
  expect(insertion.kind).toBe(kind);
});

test('one that is lost before its payment’s money is told of counts with it', async () => {
  payment = await storePaymentIn(pool, 'processing');
  await recordEvent(pool, payment, 'action_required', { providerPaymentId: 'ws_CO_2' });
  await tell('dp_1', { status: 'lost', providerPaymentId: 'ws_CO_2' });
  const outcome = makeOutcome('succeeded', { providerPaymentId: 'ws_CO_2', receipt: 'R2' });
  await recordEvent(pool, payment, 'succeeded', { outcome });
  expect(await read()).toEqual([4_000, 0, 6_000]);
});

test('the words of the domain', () => {
  const open = make('dp_1');
  expect(addDispute([], open)).toEqual([open]);
  expect(addDispute([make('dp_1', { status: 'won' })], open)).toBeNull();
  expect(disputeInForce([])).toBeNull();
  expect(disputeAgainstRefund([make('dp_1', { isInquiry: true })])).toBeNull();
  expect(disputeAgainstRefund([open])).toBe(open);
  expect(lostMinor([make('dp_1', { status: 'lost', amountMinor: -5 })], 'KES', 10_000)).toBe(0);
});
