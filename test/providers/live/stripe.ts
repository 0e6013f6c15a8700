import { z } from 'zod';
import type { LedgerPayment, ProviderDescription } from '../contract/description.ts';
import { NOTHING_ELSE } from '../contract/needs.ts';
import { STRIPE } from '../stripe-account.ts';
import { type Environment, type Live, REAL_LACKS } from './live.ts';

const TEST_KEY = 'sk_test_';

/** By MALIPO_LIVE_STRIPE_KEY, which has to be a key of Stripe's test mode. */
export function readLiveStripe({ MALIPO_LIVE_STRIPE_KEY: key }: Environment): Live {
  if (!key) {
    const why = 'Stripe itself was not asked: set MALIPO_LIVE_STRIPE_KEY to a test key, sk_test_…';
    return { kind: 'absent', why };
  }
  if (!key.startsWith(TEST_KEY)) {
    const why = `MALIPO_LIVE_STRIPE_KEY must start with ${TEST_KEY}: any other could move real money`;
    return { kind: 'refused', why };
  }
  return { kind: 'ready', description: describeLiveStripe(key) };
}

/** Stripe itself. @param base_url where else to look for it, as if it were there. */
export function describeLiveStripe(
  secret_key: string,
  base_url: string = STRIPE.provider.baseUrls.sandbox ?? '',
): ProviderDescription {
  const webhook_secrets = 'whsec_ofNoWebhookThatComesHere';
  return {
    ...STRIPE,
    lacks: { ...REAL_LACKS, payer: 'nobody is there to authenticate' },
    open: () =>
      Promise.resolve({
        ...NOTHING_ELSE,
        credentials: { secret_key, webhook_secrets, base_url },
        listPayments: ({ attemptRef }) => listPayments({ secret_key, base_url }, attemptRef),
        close: () => Promise.resolve(),
      }),
  };
}

type Account = { readonly secret_key: string; readonly base_url: string };

const intents = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      status: z.string(),
      amount_received: z.number(),
      metadata: z.record(z.string(), z.string()),
    }),
  ),
});
const refunds = z.object({ data: z.array(z.object({ amount: z.number(), status: z.string() })) });
const TAKEN_BACK = new Set(['failed', 'canceled']);

/**
 * Stripe's own list, of which the newest hundred are enough to hold what a case just made; unlike
 * its search, it does not lag.
 */
async function listPayments(
  account: Account,
  attemptRef: string,
): Promise<readonly LedgerPayment[]> {
  const { data } = intents.parse(await get(account, 'payment_intents?limit=100'));
  const own = data.filter(({ metadata }) => metadata.malipo_attempt === attemptRef);
  return await Promise.all(
    own.map(async ({ id, status, amount_received: capturedMinor }) => {
      const path = `refunds?limit=100&payment_intent=${id}`;
      const given = refunds.parse(await get(account, path)).data;
      const kept = given.filter((it) => !TAKEN_BACK.has(it.status));
      const refundedMinor = kept.reduce((sum, { amount }) => sum + amount, 0);
      const isCanceled = status === 'canceled';
      return { providerPaymentId: id, capturedMinor, refundedMinor, isCanceled };
    }),
  );
}

async function get({ secret_key, base_url }: Account, path: string): Promise<unknown> {
  const headers = { authorization: `Bearer ${secret_key}` };
  const answer = await fetch(`${base_url}/v1/${path}`, { headers });
  if (!answer.ok) throw new Error(`Stripe’s list answered ${answer.status}`);
  return await answer.json();
}
