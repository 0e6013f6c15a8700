/** A payment, a list, a refund and a timeline by the client that openapi-generator makes. */
import { Configuration, PaymentsApi, type Problem, RefundsApi, ResponseError } from './client';

const { MALIPO_URL = '', MALIPO_KEY = '', MALIPO_PHONE = '' } = process.env;
const configuration = new Configuration({ basePath: MALIPO_URL, accessToken: MALIPO_KEY });
const payments = new PaymentsApi(configuration);
const refunds = new RefundsApi(configuration);
const newKey = () => crypto.randomUUID();
const say = (...words: readonly unknown[]) => process.stdout.write(`${words.join(' ')}\n`);

/** Asks until it has ended. */
async function wait<T extends { readonly completedAt: Date | null }>(get: () => Promise<T>) {
  for (;;) {
    const it = await get();
    if (it.completedAt !== null) return it;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function main() {
  const { id } = await payments.createPayment({
    idempotencyKey: newKey(),
    createPaymentRequest: {
      provider: 'mpesa',
      amount: 10_000,
      currency: 'KES',
      customer: { phone: MALIPO_PHONE },
      metadata: { order: '17' },
    },
  });
  const payment = await wait(() => payments.getPayment({ id }));
  say('payment', payment.status, payment.amountText, payment.metadata.order);

  const page = await payments.listPayments({ status: 'succeeded' });
  const isListed = page.data.some((it) => it.id === id);
  say('list', page.object, isListed);

  const part = { id, idempotencyKey: newKey(), createRefundRequest: { amount: 4_000 } };
  const { id: refundId } = await refunds.createRefund(part);
  const refund = await wait(() => refunds.getRefund({ id: refundId }));
  say('refund', refund.status, refund.amountText, refund.failure === null);

  const timeline = await payments.getPaymentTimeline({ id });
  say('timeline', timeline.data[0]?.sequence, timeline.data[0]?.action, timeline.hasMore);

  const more = { id, idempotencyKey: newKey(), createRefundRequest: { amount: 9_000 } };
  const error: unknown = await refunds.createRefund(more).catch((it: unknown) => it);
  if (!(error instanceof ResponseError)) throw error;
  const problem: Problem = await error.response.json();
  say('refused', error.response.status, problem.code);
}

void main();
