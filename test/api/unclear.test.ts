import { record } from '../../db/record.ts';
import { REVIEW_REASONS } from '../../domain/payment.ts';
import { REFUND_REVIEW_REASONS } from '../../domain/refund.ts';
import { REFUND_REVIEWS, REVIEWS } from '../../domain/review.ts';
import { mpesa } from '../../providers/mpesa/index.ts';
import { makeRecord, reread, storePaymentIn, storeRefund } from '../factories.ts';
import { openOperator } from './operators.ts';
import { openTestApi, type TestApi } from './server.ts';

/** What a provider said and nobody knows is shown in its own words, to merchants and operators. */
let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

const SAID = 'Invalid Input parameter ‘Prompt message prefix’ for 254712345678\0, less than 94';
const callback = {
  Body: { stkCallback: { CheckoutRequestID: 'ws_CO_1', ResultCode: 1101, ResultDesc: SAID } },
};

function wordsOf(body: object): string {
  const told = mpesa.webhook.translate(Buffer.from(JSON.stringify(body)));
  if (told.kind !== 'event' || told.event.kind !== 'unknown') throw new Error('it is clear');
  expect(told.event).toMatchObject({ providerCode: '1101', unclear: 'unknown_result' });
  return told.event.message;
}

test('an unknown result is kept in the provider’s words, but for phones, and shown', async () => {
  const words = wordsOf(callback);
  expect(words).toBe(
    'unknown result code 1101: “Invalid Input parameter ‘Prompt message prefix’ for … , less than 94”',
  );
  const payment = await storePaymentIn(api.pool, 'processing');
  const unclear = { action: 'payment.callback_unclear', waitingFor: 'lookup' } as const;
  await record(api.pool, makeRecord(payment, { ...unclear, cause: words }));
  const one = `/api/v1/payments/${payment.id}`;
  const shown = { explanation: expect.stringContaining(words) };
  expect((await api.send('GET', `${one}/execution`)).body).toMatchObject(shown);
  const review = {
    action: 'payment.review_needed',
    event: 'gave_up',
    reviewReason: 'no_answer',
    waitingFor: 'review',
  } as const;
  const cause = `the provider named a result that is not known here: ${words}`;
  await record(api.pool, makeRecord(payment, { ...review, cause }));
  expect((await reread(api.pool, payment)).status).toBe('needs_review');
  const operator = await openOperator(api, 'viewer');
  for (const { body } of [
    await api.send('GET', `${one}/execution`),
    await operator.send('GET', `/api/v1/admin/payments/${payment.id}/execution`),
  ]) {
    expect(body).toMatchObject({
      waiting_for: 'review',
      explanation: expect.stringContaining(cause),
    });
  }
});

const own = (sql: string, values: readonly unknown[]) =>
  api.database.queryAsOwner(sql, [...values]);

test.each(REVIEW_REASONS)(
  'a payment in review as %s says why, and what to look at',
  async (reason) => {
    const payment = await storePaymentIn(api.pool, 'needs_review');
    await own(
      `UPDATE payments SET review_reason = $2, waiting_for = 'review', provider_receipt = 'UKU123'
     WHERE id = $1`,
      [payment.id, reason],
    );
    const { body } = await api.send('GET', `/api/v1/payments/${payment.id}/execution`);
    const { why, look } = REVIEWS[reason];
    expect(body.explanation).toContain(`${why} ${look} The receipt: UKU123.`);
  },
);

test.each(REFUND_REVIEW_REASONS)('a refund in review as %s says why as well', async (reason) => {
  const payment = await storePaymentIn(api.pool, 'succeeded');
  const { id } = await storeRefund(api.pool, payment);
  await own(
    `UPDATE refunds SET status = 'needs_review', review_reason = $2, waiting_for = 'review'
     WHERE id = $1`,
    [id, reason],
  );
  const { body } = await api.send('GET', `/api/v1/refunds/${id}/execution`);
  const { why, look } = REFUND_REVIEWS[reason];
  expect(body.explanation).toContain(`${why} ${look}`);
});
