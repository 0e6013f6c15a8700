/** A payment by M-Pesa and a part of it back, with the client. See README.md beside this file. */
import { randomUUID } from 'node:crypto';
import { Malipo, MalipoConnectionError, MalipoError } from '../../client/index.ts';

const baseUrl = process.env.MALIPO_URL ?? '';
const apiKey = process.env.MALIPO_KEY ?? '';
const phone = process.env.MALIPO_PHONE ?? '0712345678';

class Off extends Error {}
const say = (line: string) => process.stdout.write(`${line}\n`);
const money = (amountMinor: number) => `KES ${(amountMinor / 100).toFixed(2)}`;

try {
  await walk();
} catch (error) {
  if (!(error instanceof Off || isOfMalipo(error))) throw error;
  process.stderr.write(`quickstart: ${error.message}\n`);
  process.exitCode = 1;
}

async function walk(): Promise<void> {
  if (apiKey === '' || baseUrl === '') {
    throw new Off('set MALIPO_KEY and MALIPO_URL: run `. .malipo/env` while `npm start` runs');
  }
  const malipo = new Malipo({ baseUrl, apiKey });

  // In a shop the key is the order's id: whatever crashes, one order is one payment.
  const order = `order-${randomUUID()}`;
  const body = { provider: 'mpesa', amount: 10_000, currency: 'KES', customer: { phone } };
  const started = await malipo.payments.create(body, { idempotencyKey: order });
  say(`1. Asked ${phone} for ${money(10_000)}: ${started.id} is ${started.status}`);

  const again = await malipo.payments.create(body, { idempotencyKey: order });
  if (again.id !== started.id) throw new Off(`the same key made another payment, ${again.id}`);
  say(`2. Asked again with the same key: ${again.id}, the same payment`);

  const paid = await malipo.payments.waitFor(started.id, { timeoutMs: 90_000 });
  const { status, failure, review_reason, provider_receipt } = paid;
  if (status !== 'succeeded') {
    const why = failure?.message ?? failure?.code ?? review_reason ?? 'look again later';
    throw new Off(`the payment is ${status}: ${why}`);
  }
  say(`3. Waited for the payer: ${status}, M-Pesa receipt ${provider_receipt ?? 'not known'}`);

  const part = { amount: 4_000, reason: 'one item less' };
  const asked = await malipo.refunds.create(paid.id, part, { idempotencyKey: `${order}-less` });
  say(`4. Asked M-Pesa to give back ${money(4_000)}: ${asked.id} is ${asked.status}`);

  const refund = await malipo.refunds.waitFor(asked.id, { timeoutMs: 90_000 });
  if (refund.status !== 'succeeded') {
    const why = refund.failure?.code ?? refund.review_reason ?? 'look again later';
    throw new Off(`the refund is ${refund.status}: ${why}`);
  }
  say(`5. Waited for M-Pesa: ${refund.status}, receipt ${refund.provider_receipt}`);

  const { amount_refundable, refund_status } = await malipo.payments.get(paid.id);
  if (amount_refundable !== 6_000) throw new Off(`${money(amount_refundable)} are left, not 60.00`);
  say(`6. Refunded: ${refund_status}; ${money(amount_refundable)} are left`);
}

/** What the client throws: its message says what to do. */
function isOfMalipo(error: unknown): error is MalipoError | MalipoConnectionError {
  return error instanceof MalipoError || error instanceof MalipoConnectionError;
}
