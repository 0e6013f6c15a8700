import { Webhook } from 'standardwebhooks';
import type { Received, Receiver } from '../receiver.ts';
import type { Stack } from './stack.ts';

type Row = Readonly<Record<string, unknown>>;

/** What a merchant who is told by webhooks does over HTTP. */
export type Merchant = {
  call(
    method: string,
    path: string,
    body?: object,
  ): Promise<{ readonly status: number; readonly body: Row }>;
  /** An endpoint for these types, or all; and its secret. */
  createEndpoint(
    receiver: Receiver,
    eventTypes?: readonly string[],
  ): Promise<{ readonly id: string; readonly secret: string }>;
  /** Makes a payment that succeeds by itself. @returns its id. */
  pay(): Promise<string>;
  list(path: string): Promise<readonly Row[]>;
  /** Waits until the endpoint's only delivery is like this, and shows it with its tries. */
  untilDelivery(endpointId: string, isIt: (delivery: Row) => boolean): Promise<Row>;
  /** Takes all endpoints away. */
  leave(): Promise<void>;
};

/** Asks again until it is so; only what nobody can be told of is asked for. */
export async function until<T>(read: () => Promise<T>, isIt: (value: T) => boolean): Promise<T> {
  for (let tries = 0; tries < 600; tries += 1) {
    const value = await read();
    if (isIt(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`it did not come to that: ${JSON.stringify(await read()).slice(0, 1000)}`);
}

/** As the library of Standard Webhooks sees it. @throws when it is not signed by the secret. */
export function verify(secret: string, { body, headers }: Received): unknown {
  return new Webhook(secret).verify(body, { ...headers });
}

const PAYMENT = { provider: 'cpay', amount: 5_000, currency: 'KES' };

/** The merchant whose key the stack has. */
export function openMerchant(stack: Stack): Merchant {
  const call: Merchant['call'] = async (method, path, body) => {
    const answer = await stack.send(method, path, body);
    return { status: answer.status, body: answer.body };
  };
  const list: Merchant['list'] = async (path) => {
    const { data } = (await call('GET', path)).body;
    return Array.isArray(data) ? data : [];
  };
  return {
    call,
    list,
    async createEndpoint({ url }, event_types = []) {
      const { id, secret } = (await call('POST', 'webhook-endpoints', { url, event_types })).body;
      if (typeof id !== 'string' || typeof secret !== 'string') throw new Error('no endpoint');
      return { id, secret };
    },
    pay: async () => (await stack.send('POST', 'payments', PAYMENT)).body.id,
    async untilDelivery(endpointId, isIt) {
      const [found] = await until(
        () => list(`deliveries?endpoint_id=${endpointId}`),
        ([delivery]) => delivery !== undefined && isIt(delivery),
      );
      return (await call('GET', `deliveries/${String(found?.id)}`)).body;
    },
    async leave() {
      for (const { id } of await list('webhook-endpoints')) {
        // A deletion has no body, which the shop's `send` would like to read.
        await call('DELETE', `webhook-endpoints/${String(id)}`).catch(() => null);
      }
    },
  };
}
