import { mpesa } from '../../providers/mpesa/index.ts';
import { SANDBOX, startSimulator } from '../../providers/mpesa/simulator.ts';
import type { OpenSimulator, Payer, ProviderDescription, Spoil } from './contract/description.ts';
import { describeProvider } from './contract.ts';

/** A phone of its own for each prompt: Daraja rings a phone once at a time. */
const customerOf = (serial: number) => ({
  customer: { phone: `+2547${String(serial).padStart(8, '0')}`, email: null, name: null },
});
const pays = { name: 'approves', request: customerOf };
const refuses = [
  { name: 'cancels', request: customerOf, kind: 'canceled', failure: 'payer_canceled' },
  { name: 'enters a wrong PIN', request: customerOf, kind: 'declined', failure: 'wrong_pin' },
  { name: 'has no funds', request: customerOf, kind: 'declined', failure: 'insufficient_funds' },
  { name: 'is away', request: customerOf, kind: 'declined', failure: 'payer_unreachable' },
  { name: 'is too late', request: customerOf, kind: 'declined', failure: 'prompt_expired' },
] as const;
const PRESSES: Readonly<Record<string, string>> = {
  approves: 'approve',
  cancels: 'cancel',
  'enters a wrong PIN': 'wrong_pin',
  'has no funds': 'no_funds',
  'is away': 'unreachable',
  'is too late': 'expire',
};

type Book = {
  readonly prompts: readonly { readonly checkout_request_id: string }[];
  readonly charges: readonly (Sum & { readonly checkout_request_id: string })[];
  readonly reversals: readonly (Sum & { readonly result_code: string | null })[];
};
type Sum = { readonly receipt: string; readonly amount: number };
const minorOf = (sums: readonly Sum[]) => sums.reduce((sum, { amount }) => sum + amount * 100, 0);

const TILL = { transaction_type: 'till', till_number: '600100' };

/** Each phone waits for its payer, so that a test says when a prompt is answered. */
async function open(changes: object = {}): Promise<OpenSimulator> {
  const simulator = await startSimulator({
    port: 0,
    settings: { answer_mode: 'manual', reversal_delay_ms: 50 },
  });
  const post = async (path: string, body: object) => {
    const answer = await fetch(`${simulator.url}/simulator/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  };
  return {
    credentials: { ...SANDBOX.credentials, ...changes, base_url: simulator.url },
    async listPayments({ reference }) {
      const answer = await fetch(`${simulator.url}/simulator/book?account_reference=${reference}`);
      const book: Book = JSON.parse(await answer.text());
      return book.prompts.map(({ checkout_request_id: providerPaymentId }) => {
        const taken = book.charges.filter((it) => it.checkout_request_id === providerPaymentId);
        const refunded = book.reversals.filter(
          ({ receipt, result_code }) =>
            result_code === '0' && taken.some((charge) => charge.receipt === receipt),
        );
        const refundedMinor = minorOf(refunded);
        return { providerPaymentId, takenMinor: minorOf(taken), refundedMinor };
      });
    },
    spoil: (spoil) => post('faults', faultOf(spoil)),
    settle: (id, { name }: Payer) => post(`prompts/${id}/answer`, { answer: PRESSES[name] }),
    redeliver: (id) => post(`callbacks/${id}/resend`, {}),
    close: () => simulator.close(),
  };
}

function faultOf(spoil: Spoil): object {
  const on = { charge: 'push', lookup: 'query' }[spoil.on];
  if (spoil.how === '429') return { on, fault: '429', retry_after_s: spoil.retryAfterS };
  return { on, fault: spoil.how, act: spoil.isActedOn };
}

const paybill: ProviderDescription = {
  provider: mpesa,
  open: () => open(),
  pays: { ...pays, answers: 'pending' },
  waits: { ...pays, answers: 'pending' },
  refuses,
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
};

describe('with a paybill', () => describeProvider(paybill));

describe('with a till', () =>
  describeProvider({
    ...paybill,
    open: () => open(TILL),
    requiredFields: [...paybill.requiredFields, 'till_number'],
    wrongFields: { ...paybill.wrongFields, till_number: '600101' },
  }));
