import { mpesa } from '../../providers/mpesa/index.ts';
import type { ProviderDescription } from './contract/description.ts';

/** A phone of its own for each prompt: Daraja rings a phone once at a time. */
const customerOf = (serial: number) => ({
  customer: { phone: `+2547${String(serial).padStart(6, '0')}00`, email: null, name: null },
});
const pays = { name: 'approves', request: customerOf, answers: 'pending' } as const;

/** What Daraja and its simulator have in common: payers by what they do, and what is refused. */
export const MPESA = {
  provider: mpesa,
  pays,
  waits: pays,
  // table
  refuses: [
    { name: 'cancels', request: customerOf, kind: 'canceled', failure: 'payer_canceled' },
    { name: 'enters a wrong PIN', request: customerOf, kind: 'declined', failure: 'wrong_pin' },
    { name: 'has no funds', request: customerOf, kind: 'declined', failure: 'insufficient_funds' },
    { name: 'is away', request: customerOf, kind: 'declined', failure: 'payer_unreachable' },
    { name: 'is too late', request: customerOf, kind: 'declined', failure: 'prompt_expired' },
  ],
  keyHabits: [],
  otherWebhookSecret: null,
  unknownPaymentId: 'ws_CO_0101202600000000700000000',
  secretFields: ['consumer_key', 'consumer_secret', 'passkey', 'initiator_password'],
  requiredFields: ['consumer_key', 'consumer_secret', 'short_code', 'passkey'],
  malformedFields: {
    base_url: 'sandbox-without-scheme',
    short_code: 'my-paybill',
    transaction_type: 'shopping',
    till_number: 'my-till',
    certificate: 'my-certificate',
  },
  wrongFields: {
    consumer_key: 'another-consumer-key',
    consumer_secret: 'another-consumer-secret',
    short_code: '999999',
    passkey: 'another-passkey',
  },
} as const satisfies Omit<ProviderDescription, 'open'>;
