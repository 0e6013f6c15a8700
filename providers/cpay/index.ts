import type { AmountRule, Provider } from '../../domain/provider.ts';
import { createCPayClient } from './client.ts';
import { asCPay, readCredentials } from './credentials.ts';
import { policy } from './policy.ts';
import { webhook } from './webhook.ts';

const ANY_AMOUNT: AmountRule = { min_minor: 1, max_minor: 99_999_999, step_minor: 1 };

/** CPay, the mock provider: real on the wire, with answers chosen by the amount. */
export const cpay: Provider = {
  name: 'cpay',
  capabilities: {
    // A day by its README; an hour is left for clocks and for what is under way.
    dedupe_window_ms: 23 * 3_600_000,
    looks_up_by_our_id: true,
    callback_auth: 'signature',
    capture: true,
    cancel: true,
    refund: 'sync',
    looks_up_refunds: 'sync',
    refund_needs: 'provider_payment_id',
    amounts: { KES: ANY_AMOUNT, USD: ANY_AMOUNT, EUR: ANY_AMOUNT, UGX: ANY_AMOUNT },
    needs: [],
    phone_countries: [],
    reference_max_length: 50,
  },
  policy,
  baseUrls: {},
  shownFields: ['base_url'],
  accountFields: [],
  readCredentials,
  connect: (credentials) => createCPayClient(asCPay(credentials)),
  webhook,
  refundWebhooks: [],
};
