import { randomUUID } from 'node:crypto';
import type { ProviderClient } from '../../domain/provider.ts';
import { mpesa } from '../../providers/mpesa/index.ts';
import { stripe } from '../../providers/stripe/index.ts';
import { connect, makeContext, makeRequest } from './contract/stage.ts';

/**
 * The same clients against the real services, in their test modes: only with keys of one's own,
 * since they are on the internet. Without keys one line says that nothing was asked.
 */
const STRIPE_KEY = process.env.MALIPO_LIVE_STRIPE_KEY;
const DARAJA_KEY = process.env.MALIPO_LIVE_MPESA_CONSUMER_KEY;
const DARAJA_SECRET = process.env.MALIPO_LIVE_MPESA_CONSUMER_SECRET;
const LIVE_TIMEOUT_MS = 60_000;

function fresh(paymentMethod: string | null) {
  const id = randomUUID().replaceAll('-', '');
  const own = { paymentId: `pay_${id}`, attemptId: `att_${id}`, workflowId: `payment-${id}` };
  const idempotencyKey = `${own.paymentId}/${own.attemptId}/charge`;
  const payer = { name: 'live', request: () => ({ paymentMethod }) };
  return makeRequest(payer, 'https://shop.example.test/callback', { ...own, idempotencyKey });
}

if (STRIPE_KEY === undefined) {
  it('did not ask Stripe: MALIPO_LIVE_STRIPE_KEY is not set', () => undefined);
} else {
  describe('Stripe itself', () => {
    let client: ProviderClient;
    beforeAll(() => {
      const credentials = { secret_key: STRIPE_KEY, webhook_secrets: 'whsec_notUsedInThisTest' };
      client = connect(stripe, credentials);
    });

    it(
      'charges once for a key, declines, and gives back',
      async () => {
        const amount = { amountMinor: 5_000, currency: 'USD' } as const;
        const request = { ...fresh('pm_card_visa'), amount };
        const paid = await client.charge(request, makeContext());
        expect(paid).toMatchObject({ kind: 'succeeded', money: amount });
        expect(await client.charge(request, makeContext())).toEqual(paid);
        const declined = { ...fresh('pm_card_visa_chargeDeclinedInsufficientFunds'), amount };
        expect(await client.charge(declined, makeContext())).toMatchObject({
          kind: 'declined',
          failure: { code: 'insufficient_funds' },
        });
        const refund = {
          refundId: `ref_${randomUUID()}`,
          paymentId: request.paymentId,
          workflowId: request.workflowId.replace('payment', 'refund'),
          idempotencyKey: `${request.paymentId}/refund`,
          amount,
          providerPaymentId: paid.providerPaymentId,
          providerReceipt: null,
          reason: 'test',
          callbackUrls: {},
          timeoutMs: 30_000,
        };
        const given = await client.refund?.(refund, makeContext());
        expect(given).toMatchObject({ kind: 'succeeded', amountMinor: 5_000 });
      },
      LIVE_TIMEOUT_MS,
    );
  });
}

if (DARAJA_KEY === undefined || DARAJA_SECRET === undefined) {
  it('did not ask Daraja: MALIPO_LIVE_MPESA_CONSUMER_KEY and …_SECRET are not set', () =>
    undefined);
} else {
  it(
    'Daraja’s sandbox knows our request: a look-up concludes nothing about no payment',
    async () => {
      const client = connect(mpesa, {
        consumer_key: DARAJA_KEY,
        consumer_secret: DARAJA_SECRET,
        short_code: '174379',
        passkey: process.env.MALIPO_LIVE_MPESA_PASSKEY ?? '',
      });
      const providerPaymentId = 'ws_CO_0101202600000000700000000';
      const question = { providerPaymentId, attemptId: 'att_live', timeoutMs: 30_000 };
      const answer = await client.lookup(question, new AbortController().signal);
      expect(answer.kind).toMatch(/^(pending|unknown)$/);
      await client.close();
    },
    LIVE_TIMEOUT_MS,
  );
}
