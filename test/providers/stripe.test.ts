import { stripe } from '../../providers/stripe/index.ts';
import { SANDBOX, startSimulator } from '../../providers/stripe/simulator.ts';
import type { OpenSimulator, Spoil } from './contract/description.ts';
import { describeProvider } from './contract.ts';

const cardOf = (paymentMethod: string) => ({
  request: () => ({ paymentMethod, amount: { amountMinor: 10_000, currency: 'USD' } as const }),
});

type Book = {
  readonly intents: readonly {
    readonly id: string;
    readonly amount_received: number;
    readonly metadata: { readonly malipo_attempt?: string };
  }[];
  readonly refunds: readonly {
    readonly payment_intent: string;
    readonly amount: number;
    readonly status: string;
  }[];
};

async function open(webhookUrl: string): Promise<OpenSimulator> {
  const settings = { webhook_delay_ms: 20 };
  const simulator = await startSimulator({ port: 0, settings, webhookUrl });
  const post = async (path: string, body: object) => {
    const answer = await fetch(`${simulator.url}/simulator/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  };
  return {
    credentials: { ...SANDBOX.credentials, base_url: simulator.url },
    async listPayments({ attemptId }) {
      const answer = await fetch(`${simulator.url}/simulator/book`);
      const book: Book = JSON.parse(await answer.text());
      const own = book.intents.filter(({ metadata }) => metadata.malipo_attempt === attemptId);
      return own.map(({ id, amount_received: takenMinor }) => {
        const refunds = book.refunds.filter(
          (it) => it.payment_intent === id && it.status === 'succeeded',
        );
        const refundedMinor = refunds.reduce((sum, { amount }) => sum + amount, 0);
        return { providerPaymentId: id, takenMinor, refundedMinor };
      });
    },
    spoil: (spoil) => post('faults', faultOf(spoil)),
    settle: (id) => post(`3ds/${id}`, { passed: true }),
    redeliver: (id) => post(`redeliver/${id}`, {}),
    close: () => simulator.close(),
  };
}

const KINDS = {
  reset: 'act_then_reset',
  timeout: 'act_then_timeout',
  '500': 'act_then_500',
  truncate: 'act_then_truncate',
  html_200: 'act_then_html',
} as const;

function faultOf(spoil: Spoil): object {
  const on = { charge: 'create', lookup: 'retrieve' }[spoil.on];
  if (spoil.how === '429') return { on, kind: '429', retry_after_s: spoil.retryAfterS };
  const isUndone = spoil.how === 'reset' && !spoil.isActedOn;
  return { on, kind: isUndone ? 'reset_before' : KINDS[spoil.how] };
}

describeProvider({
  provider: stripe,
  open,
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
  unknownPaymentId: 'pi_000000000000000000000000',
  secretFields: ['secret_key', 'webhook_secrets'],
  requiredFields: ['secret_key', 'webhook_secrets'],
  malformedFields: {
    base_url: 'without-scheme',
    secret_key: 'pk_test_publishable1',
    webhook_secrets: 'another-form',
  },
  wrongFields: { secret_key: 'sk_test_ofAnotherAccount' },
});
