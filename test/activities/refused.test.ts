import { type MetricMeter, noopMetricMeter } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createRecord } from '../../activities/record.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import type { Payment } from '../../domain/payment.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  listEntries,
  MERCHANT,
  makeRecord,
  makeRefundRecord,
  storePaymentIn,
  storeRefund,
} from '../factories.ts';

/** A change that the tables refuse: nothing moves, and it is told in trail, log and metrics. */
let database: TestDatabase;
let told: { lines: object[]; counts: object[] };
let temporal: MockActivityEnvironment;
beforeEach(async () => {
  database = await openTestDatabase();
  await ensureMerchant(database.pool, MERCHANT);
  told = { lines: [], counts: [] };
  const metricMeter: MetricMeter = {
    createCounter: (name) => ({
      ...noopMetricMeter.createCounter(name),
      add: (value, labels) => told.counts.push({ name, value, ...labels }),
    }),
    createHistogram: (...named) => noopMetricMeter.createHistogram(...named),
    createGauge: (...named) => noopMetricMeter.createGauge(...named),
    withTags: () => metricMeter,
  };
  const logger = new DefaultLogger('WARN', ({ level, message, meta = {} }) => {
    const { paymentId, refundId, from, refused } = meta;
    told.lines.push({ level, message, paymentId, refundId, from, refused });
  });
  temporal = new MockActivityEnvironment({}, { metricMeter, logger });
});
afterEach(() => database.close());

const pen = () => createRecord({ pool: database.pool });
const name = 'malipo_refused_transitions_total';
const actionsOf = async (payment: Payment) =>
  (await listEntries(database, payment)).map(({ action }) => action);

test('of a payment, also when it is asked for again since its answer was lost', async () => {
  const payment = await storePaymentIn(database.pool, 'succeeded');
  const request = makeRecord(payment, { event: 'declined', key: 'late' });
  const once = await temporal.run(() => pen().record(request));
  expect(once).toEqual({ status: 'succeeded', changed: false, refused: true });
  const line = { level: 'WARN', message: 'a change of a payment is refused' };
  const expected = {
    lines: [{ ...line, paymentId: payment.id, from: 'succeeded', refused: 'declined' }],
    counts: [{ name, value: 1, of: 'payment', from: 'succeeded', event: 'declined' }],
  };
  expect(told).toMatchObject(expected);
  expect(await temporal.run(() => pen().record(request))).toEqual(once);
  const refusals = (await actionsOf(payment)).filter((it) => it === 'payment.transition_refused');
  expect(refusals).toHaveLength(1);
});

test('of a payment that is to be sent again, and that has ended meanwhile', async () => {
  const payment = await storePaymentIn(database.pool, 'canceled');
  const { provider, credentialsRef, policy, id: paymentId } = payment;
  const planned = makeRecord(payment, { action: 'payment.reattempt_planned', key: 'again' });
  const request = { ...planned, route: { provider, credentialsRef, policy } };
  const expected = { attemptId: payment.attemptId, status: 'canceled', isOpened: false };
  expect(await temporal.run(() => pen().recordReattempt(request))).toEqual(expected);
  expect(told.lines).toMatchObject([{ paymentId, refused: 'payment.reattempt_planned' }]);
  expect(told.counts).toMatchObject([{ name, of: 'payment', from: 'canceled' }]);
  expect(await temporal.run(() => pen().recordReattempt(request))).toEqual(expected);
});

test('of a refund', async () => {
  const payment = await storePaymentIn(database.pool, 'succeeded');
  const refund = await storeRefund(database.pool, payment);
  const settle = (event: 'failed' | 'gave_up', key: string) =>
    temporal.run(() =>
      pen().recordRefund(makeRefundRecord(refund, { key, event, actor: 'workflow' })),
    );
  expect(await settle('failed', 'no')).toMatchObject({ status: 'failed', refused: false });
  expect(told).toEqual({ lines: [], counts: [] });
  expect(await settle('gave_up', 'late')).toMatchObject({ status: 'failed', refused: true });
  expect(told.lines).toMatchObject([
    { paymentId: payment.id, refundId: refund.id, from: 'failed' },
  ]);
  expect(told.counts).toMatchObject([{ name, of: 'refund', from: 'failed', event: 'gave_up' }]);
  expect(await actionsOf(payment)).toContain('refund.transition_refused');
});
