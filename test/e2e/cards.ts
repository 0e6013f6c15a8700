import { SANDBOX as CPAY } from '../../providers/cpay/simulator.ts';
import { SANDBOX as STRIPE } from '../../providers/stripe/simulator.ts';
import type { PaymentBody, Shop } from './shop.ts';

/** Those whose simulators' books are read here: they take our key, hold money and take a part. */
export const CARD_PROVIDERS = ['stripe', 'cpay'] as const;
export type CardProvider = (typeof CARD_PROVIDERS)[number];

/** What the books of Stripe's and CPay's simulators have in common. */
export type CardBook = {
  readonly taken: readonly { readonly id: string; readonly amountMinor: number }[];
  readonly refunds: readonly { readonly of: string; readonly amountMinor: number }[];
};

type StripeBook = {
  readonly intents: readonly { id: string; metadata: Record<string, string> }[];
  readonly charges: readonly { id: string; payment_intent: string; amount: number; step: string }[];
  readonly refunds: readonly { payment_intent: string; amount: number; status: string }[];
};
type CPayBook = {
  readonly charges: readonly {
    id: string;
    status: string;
    amount_captured: number;
    metadata: Record<string, string>;
  }[];
  readonly refunds: readonly { charge: string; amount: number; status: string }[];
};

/** The money that moved for one payment, by the simulator's own book. */
export async function readCardBook(
  shop: Shop,
  provider: CardProvider,
  paymentId: string,
): Promise<CardBook> {
  const book = await shop.control(provider, 'GET', 'book');
  const query = 'SELECT workflow_id FROM payments WHERE id = $1';
  const [{ workflow_id } = { workflow_id: '' }] = (await shop.db.query(query, [paymentId])).rows;
  return provider === 'stripe' ? ofStripe(book, workflow_id) : ofCPay(book, workflow_id);
}

function ofStripe(book: unknown, workflowId: string): CardBook {
  const { intents, charges, refunds } = requireBook<StripeBook>(book, 'intents');
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

function ofCPay(book: unknown, workflowId: string): CardBook {
  const { charges, refunds } = requireBook<CPayBook>(book, 'charges');
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
  shop: Shop,
  provider: CardProvider,
  about: string | null,
): Promise<readonly Sent[]> {
  const book = await shop.control(provider, 'GET', 'book');
  const sent =
    provider === 'stripe'
      ? requireBook<{ events: readonly Sent[] }>(book, 'events').events
      : requireBook<{ webhooks: readonly Sent[] }>(book, 'webhooks').webhooks;
  return sent.filter((it) => it.about === about);
}

/** Waits until so many events about it were answered. */
export async function untilSent(
  shop: Shop,
  provider: CardProvider,
  about: string | null,
  count: number,
): Promise<readonly Sent[]> {
  for (let tries = 0; tries < 200; tries += 1) {
    const sent = await listSent(shop, provider, about);
    if (sent.length >= count) return sent;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`of ${about} not ${count} events were sent`);
}

function requireBook<B>(book: unknown, field: string): B {
  if (!isBook<B>(book, field)) throw new Error('this is no book');
  return book;
}

function isBook<B>(book: unknown, field: string): book is B {
  return typeof book === 'object' && book !== null && field in book;
}

/** Makes a payment of 50.00. */
export async function payByCard(
  shop: Shop,
  provider: CardProvider,
  changes: object = {},
  key?: string,
) {
  const method = provider === 'stripe' ? { payment_method: 'pm_card_visa', return_url: null } : {};
  const currency = provider === 'stripe' ? 'USD' : 'KES';
  const body = { provider, amount: 5_000, currency, ...method, ...changes };
  return await shop.send('POST', 'payments', body, key);
}

/** Waits until a refund has one of these statuses. */
export async function untilRefund(shop: Shop, id: string, statuses: readonly string[]) {
  for (let tries = 0; tries < 400; tries += 1) {
    const { body } = await shop.send('GET', `refunds/${id}`);
    if (statuses.includes(body.status)) return body;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${id} is not ${statuses.join()}`);
}

export const lengthOf = async (shop: Shop, { workflow }: Pick<PaymentBody, 'workflow'>) =>
  (await shop.temporal.workflow.getHandle(workflow.id).describe()).historyLength;

/** Somebody gives money back in the provider's dashboard: on its wire, without our mark. */
export async function refundInDashboard(
  shop: Shop,
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
  const { url } = shop.world.details().simulators[provider] ?? {};
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
