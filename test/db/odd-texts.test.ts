import { recordReattempt } from '../../db/dispatch.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { record } from '../../db/record.ts';
import { recordRefund } from '../../db/record-refund.ts';
import { failure } from '../../domain/error.ts';
import type { Payment } from '../../domain/payment.ts';
import type { RecordRequest } from '../../domain/payment-record.ts';
import { type RefundRecordRequest, refundFailed, refundFailure } from '../../domain/refund.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  listEntries,
  MERCHANT,
  makeOutcome,
  makeRecord,
  makeRefundRecord,
  reread,
  storePaymentIn,
  storeRefund,
} from '../factories.ts';

/**
 * PostgreSQL keeps no NUL and no half of a character. A step whose text holds one would be refused
 * for ever, so it is written without.
 */
let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
  await ensureMerchant(database.pool, MERCHANT);
});
afterAll(() => database.close());

const ODD = { NUL: '\0', 'a first half': '\ud83d', 'a second half': '\ude00' } as const;

type Field = readonly [field: string, changes: (text: string) => Partial<RecordRequest>];
const FIELDS: readonly Field[] = [
  ['cause', (text) => ({ cause: text })],
  ['id', (text) => ({ providerPaymentId: text })],
  ['outcome’s id', (text) => ({ outcome: makeOutcome('declined', { providerPaymentId: text }) })],
  ['receipt', (text) => ({ outcome: makeOutcome('succeeded', { receipt: text }) })],
  ['code', (text) => ({ outcome: makeOutcome('declined', { providerCode: text }) })],
  [
    'failure’s message',
    (text) => ({ outcome: makeOutcome('declined', { failure: failure('declined', '1', text) }) }),
  ],
  ['action’s url', (url) => ({ nextAction: { type: 'redirect_to_url', url } })],
];
const eventOf = ({ outcome, nextAction }: Partial<RecordRequest>) => {
  if (nextAction) return 'action_required';
  return outcome?.kind === 'succeeded' || outcome?.kind === 'declined' ? outcome.kind : null;
};

describe.each(Object.entries(ODD))('%s', (_name, odd) => {
  it.each(FIELDS)('in the %s of a payment’s step does not stop it', async (_field, change) => {
    const { pool } = database;
    const payment = await storePaymentIn(pool, 'processing');
    const changes = change(`said${odd}so`);
    const event = eventOf(changes);
    await record(pool, makeRecord(payment, { key: 'odd', event, ...changes }));
    const stored = JSON.stringify([
      await reread(pool, payment),
      await listEntries(database, payment),
      await database.queryAsOwner('SELECT * FROM attempts WHERE payment_id = $1', [payment.id]),
    ]);
    expect(stored).toMatch(/said�?so/);
    const entries = await listEntries(database, payment);
    expect(entries.filter(({ key }) => key === 'odd')).toHaveLength(1);
  });

  it('in what a re-attempt follows does not stop it', async () => {
    const { pool } = database;
    const payment = await storePaymentIn(pool, 'processing');
    const outcome = makeOutcome('declined', { providerCode: odd, providerPaymentId: odd });
    const { provider, credentialsRef, policy } = payment;
    const route = { provider, credentialsRef, policy };
    const request = makeRecord(payment, { key: 'odd', cause: odd, outcome });
    expect(await recordReattempt(pool, { ...request, route })).toMatchObject({ isOpened: true });
  });

  it('in a refund’s step does not stop it', async () => {
    const payment = await reread(database.pool, await storePaymentIn(database.pool, 'succeeded'));
    for (const changes of refundSteps(odd)) {
      const result = await recordRefund(database.pool, await refundEntry(payment, changes));
      expect(result.refused).toBe(false);
    }
  });
});

const refundSteps = (text: string): readonly Partial<RefundRecordRequest>[] => [
  { cause: text },
  { providerRefundId: text },
  { paymentReceipt: text },
  {
    event: 'failed',
    outcome: { ...refundFailed(refundFailure('declined', text, text)), receipt: text },
  },
];

async function refundEntry(
  payment: Payment,
  changes: Partial<RefundRecordRequest>,
): Promise<RefundRecordRequest> {
  const refund = await storeRefund(database.pool, payment, { amountMinor: 100 });
  return makeRefundRecord(refund, { key: `${refund.id}/odd`, ...changes });
}
