import type { Provider } from '../../domain/provider.ts';
import { createMpesaClient } from './client.ts';
import { asMpesa, readCredentials, refuseNew } from './credentials.ts';
import { policy } from './policy.ts';
import { receiptWebhooks } from './receipt.ts';
import { reversalWebhooks } from './reversal-webhook.ts';
import { webhook } from './webhook.ts';

/** M-Pesa Express (STK Push) over Safaricom's Daraja API. Limits: providers/mpesa/README.md. */
export const mpesa: Provider = {
  name: 'mpesa',
  capabilities: {
    dedupe_window_ms: null,
    looks_up_by_our_id: false,
    callback_auth: 'token',
    capture: false,
    cancel: false,
    refund: 'async',
    looks_up_refunds: 'async',
    refund_needs: 'provider_receipt',
    learns_receipts: true,
    amounts: { KES: { min_minor: 100, max_minor: 25_000_000, step_minor: 100 } },
    needs: ['phone'],
    phone_countries: ['KE'],
    reference_max_length: 12,
  },
  policy,
  baseUrls: {
    sandbox: 'https://sandbox.safaricom.co.ke',
    production: 'https://api.safaricom.co.ke',
  },
  defaultsTo: 'sandbox',
  shownFields: ['base_url', 'short_code', 'transaction_type', 'till_number', 'initiator_name'],
  accountFields: ['short_code'],
  idsArePersonal: true,
  readCredentials,
  refuseNew: (credentials) => refuseNew(asMpesa(credentials)),
  connect: (credentials) => createMpesaClient(asMpesa(credentials)),
  webhook,
  refundWebhooks: [...reversalWebhooks, ...receiptWebhooks],
};
