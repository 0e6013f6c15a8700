import { SANDBOX as CPAY } from '../../providers/cpay/simulator.ts';
import { SANDBOX as STRIPE } from '../../providers/stripe/simulator.ts';
import type { PaymentBody, Stack } from './stack.ts';

/** Those whose simulators' ledgers are read here: they take our key, hold money and take a part. */
export const CARD_PROVIDERS = ['stripe', 'cpay'] as const;
export type CardProvider = (typeof CARD_PROVIDERS)[number];

/** What the ledgers of Stripe's and CPay's simulators have in common. */
export type CardLedger = {
  readonly taken: readonly { readonly id: string; readonly amountMinor: number }[];
  readonly refunds: readonly { readonly of: string; readonly amountMinor: number }[];
};

type StripeLedger = {
  readonly intents: readonly { id: string; metadata: Record<string, string> }[];
  readonly charges: readonly { id: string; payment_intent: string; amount: number; step: string }[];
  readonly refunds: readonly { payment_intent: string; amount: number; status: string }[];
};
type CPayLedger = {
  readonly charges: readonly {
    id: string;
    status: string;
    amount_captured: number;
    metadata: Record<string, string>;
  }[];
  readonly refunds: readonly { charge: string; amount: number; status: string }[];
};

/** The money that moved for one payment, by the simulator's own ledger. */
export async function readCardLedger(
  stack: Stack,
  provider: CardProvider,
  paymentId: string,
): Promise<CardLedger> {
  const ledger = await stack.control(provider, 'GET', 'ledger');
  const query = 'SELECT workflow_id FROM payments WHERE id = $1';
  const [{ workflow_id } = { workflow_id: '' }] = (await stack.db.query(query, [paymentId])).rows;
  return provider === 'stripe' ? ofStripe(ledger, workflow_id) : ofCPay(ledger, workflow_id);
}

function ofStripe(ledger: unknown, workflowId: string): CardLedger {
  const { intents, charges, refunds } = requireLedger<StripeLedger>(ledger, 'intents');
  const own = new Set(
    intents.filter((it) => it.metadata.malipo_workflow === workflowId).map(({ id }) => id),
  );
  return {
    taken: charges
      .filter((it) => own.has(it.payment_intent) && it.step !== 'authorize')
      .map(({ id, amount }) => ({ id, amountMinor: amount })),
    refunds: refunds
      .filter((it) => own.has(it.payment_intent) && it.status === 'succeeded')
      .map(({ payment_intent, amount }) => ({ of: payment_intent, amountMinor: amount })),
  };
}

function ofCPay(ledger: unknown, workflowId: string): CardLedger {
  const { charges, refunds } = requireLedger<CPayLedger>(ledger, 'charges');
  const own = charges.filter((it) => it.metadata.workflow === workflowId);
  return {
    taken: own
      .filter(({ status }) => status === 'succeeded')
      .map(({ id, amount_captured }) => ({ id, amountMinor: amount_captured })),
    refunds: refunds
      .filter((it) => own.some(({ id }) => id === it.charge) && it.status === 'succeeded')
      .map(({ charge, amount }) => ({ of: charge, amountMinor: amount })),
  };
}

type Sent = { readonly id: string; readonly type: string; readonly about: string; status: number };

/** What the simulator sent about one of its objects, in the order in which it was answered. */
async function listSent(
  stack: Stack,
  provider: CardProvider,
  about: string | null,
): Promise<readonly Sent[]> {
  const ledger = await stack.control(provider, 'GET', 'ledger');
  const sent =
    provider === 'stripe'
      ? requireLedger<{ events: readonly Sent[] }>(ledger, 'events').events
      : requireLedger<{ webhooks: readonly Sent[] }>(ledger, 'webhooks').webhooks;
  return sent.filter((it) => it.about === about);
}

/** Waits until so many events about it were answered. */
export async function untilSent(
  stack: Stack,
  provider: CardProvider,
  about: string | null,
  count: number,
): Promise<readonly Sent[]> {
  for (let tries = 0; tries < 200; tries += 1) {
    const sent = await listSent(stack, provider, about);
    if (sent.length >= count) return sent;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`of ${about} not ${count} events were sent`);
}

function requireLedger<B>(ledger: unknown, field: string): B {
  if (!isLedger<B>(ledger, field)) throw new Error('this is no ledger');
  return ledger;
}

function isLedger<B>(ledger: unknown, field: string): ledger is B {
  return typeof ledger === 'object' && ledger !== null && field in ledger;
}

/** Makes a payment of 50.00. */
export async function payByCard(
  stack: Stack,
  provider: CardProvider,
  changes: object = {},
  key?: string,
) {
  const method = provider === 'stripe' ? { payment_method: 'pm_card_visa', return_url: null } : {};
  const currency = provider === 'stripe' ? 'USD' : 'KES';
  const body = { provider, amount: 5_000, currency, ...method, ...changes };
  return await stack.send('POST', 'payments', body, key);
}

/** Waits until a refund has one of these statuses. */
export async function untilRefund(stack: Stack, id: string, statuses: readonly string[]) {
  for (let tries = 0; tries < 400; tries += 1) {
    const { body } = await stack.send('GET', `refunds/${id}`);
    if (statuses.includes(body.status)) return body;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${id} is not ${statuses.join()}`);
}

export const lengthOf = async (stack: Stack, { workflow }: Pick<PaymentBody, 'workflow'>) =>
  (await stack.temporal.workflow.getHandle(workflow.id).describe()).historyLength;

/** Somebody gives money back in the provider's dashboard: on its wire, without our mark. */
export async function refundInDashboard(
  stack: Stack,
  provider: CardProvider,
  providerPaymentId: string,
  amountMinor: number,
): Promise<void> {
  const amount = String(amountMinor);
  const sent =
    provider === 'stripe'
      ? {
          key: STRIPE.credentials.secret_key,
          body: new URLSearchParams({ payment_intent: providerPaymentId, amount }),
        }
      : {
          key: CPAY.credentials.api_key,
          body: JSON.stringify({ charge: providerPaymentId, amount: amountMinor }),
        };
  const { url } = stack.world.details().simulators[provider] ?? {};
  const answer = await fetch(`${url}/v1/refunds`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${sent.key}`,
      'idempotency-key': `dashboard-${providerPaymentId}-${amount}`,
      ...(provider === 'cpay' ? { 'content-type': 'application/json' } : {}),
    },
    body: sent.body,
  });
  if (!answer.ok) throw new Error(`${provider} refused: ${await answer.text()}`);
}
