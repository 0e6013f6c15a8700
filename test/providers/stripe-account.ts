import { stripe } from '../../providers/stripe/index.ts';
import type { ProviderDescription } from './contract/description.ts';

const cardOf = (paymentMethod: string) => ({
  request: () => ({ paymentMethod, amount: { amountMinor: 10_000, currency: 'USD' } as const }),
});

/** What Stripe and its simulator have in common: test payment methods, and whom they refuse. */
export const STRIPE = {
  provider: stripe,
  pays: { name: 'has a good card', ...cardOf('pm_card_visa'), answers: 'succeeded' },
  waits: {
    name: 'authenticates',
    ...cardOf('pm_card_authenticationRequired'),
    answers: 'action_required',
  },
  refuses: [
    {
      name: 'has no funds',
      ...cardOf('pm_card_visa_chargeDeclinedInsufficientFunds'),
      kind: 'declined',
      failure: 'insufficient_funds',
    },
    {
      name: 'has a stolen card',
      ...cardOf('pm_card_visa_chargeDeclinedStolenCard'),
      kind: 'declined',
      failure: 'card_blocked',
    },
    {
      name: 'has an expired card',
      ...cardOf('pm_card_chargeDeclinedExpiredCard'),
      kind: 'declined',
      failure: 'card_expired',
    },
  ],
  keyHabits: ['says_in_progress', 'replays_500'],
  async refundPastUs({ credentials, providerPaymentId, amountMinor }) {
    const answer = await fetch(`${credentials.base_url}/v1/refunds`, {
      method: 'POST',
      headers: { authorization: `Bearer ${credentials.secret_key}` },
      body: new URLSearchParams({
        payment_intent: providerPaymentId,
        amount: String(amountMinor),
        'metadata[refund]': 'RMA-7',
        'metadata[malipo_workflow]': 'of-others',
      }),
    });
    if (!answer.ok) throw new Error(await answer.text());
  },
  otherWebhookSecret: 'whsec_ofAnotherAccount',
  unknownPaymentId: 'pi_000000000000000000000000',
  secretFields: ['secret_key', 'webhook_secrets'],
  requiredFields: ['secret_key', 'webhook_secrets'],
  malformedFields: {
    base_url: 'without-scheme',
    secret_key: 'pk_test_publishable1',
    webhook_secrets: 'another-form',
  },
  wrongFields: { secret_key: 'sk_test_ofAnotherAccount' },
} as const satisfies Omit<ProviderDescription, 'open'>;
