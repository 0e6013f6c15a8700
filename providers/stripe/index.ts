import type { AmountRule, Provider } from '../../domain/provider.ts';
import { cancel, capture, charge, lookup } from './charge.ts';
import { asStripe, readCredentials, refuseNew } from './credentials.ts';
import { policy } from './policy.ts';
import { listProviderRefunds, lookupRefund, refund } from './refund.ts';
import { openSdk } from './sdk.ts';
import { webhook } from './webhook.ts';

/** Below any least of Stripe's, which for some currencies moves with the rate: README.md. */
function atLeast(min_minor: number, step_minor = 1): AmountRule {
  return { min_minor, max_minor: 100_000_000 - step_minor, step_minor };
}

/** Cards by Stripe's PaymentIntents, over its official SDK. */
export const stripe: Provider = {
  name: 'stripe',
  capabilities: {
    // Stripe keeps keys for a day at least (docs.stripe.com/api/idempotent_requests).
    dedupe_window_ms: 23 * 3_600_000,
    looks_up_by_our_id: true,
    callback_auth: 'signature',
    capture: true,
    cancel: true,
    refund: 'sync',
    looks_up_refunds: 'sync',
    refund_needs: 'provider_payment_id',
    amounts: {
      USD: atLeast(50),
      EUR: atLeast(50),
      GBP: atLeast(30),
      KES: atLeast(50),
      ZAR: atLeast(50),
      JPY: atLeast(50),
      KWD: atLeast(150, 10),
    },
    needs: ['payment_method', 'return_url'],
    phone_countries: [],
    reference_max_length: 100,
  },
  policy,
  baseUrls: { sandbox: 'https://api.stripe.com', production: 'https://api.stripe.com' },
  shownFields: ['base_url'],
  accountFields: [],
  readCredentials,
  refuseNew: (credentials, environment) => refuseNew(asStripe(credentials), environment),
  connect(credentials) {
    const sdk = openSdk(asStripe(credentials));
    return {
      charge: (request, context) => charge(sdk, request, context),
      lookup: (request, signal) => lookup(sdk, request, signal),
      capture: (request, signal) => capture(sdk, request, signal),
      cancel: (request, signal) => cancel(sdk, request, signal),
      refund: (request, context) => refund(sdk, request, context),
      lookupRefund: (request, signal) => lookupRefund(sdk, request, signal),
      listProviderRefunds: (request, signal) => listProviderRefunds(sdk, request, signal),
      close: () => Promise.resolve(),
    };
  },
  webhook,
  refundWebhooks: [],
};
