import { createHmac, randomBytes } from 'node:crypto';
import { fetch } from 'undici';
import { WebSocket } from 'ws';
import {
  FLOODER_ADDRESS,
  fromFlooder,
  type Merchant,
  nextPhone,
  openMerchant,
  type Receiver,
  SCOPES,
} from './sandbox.ts';

export type Flood = {
  readonly apiUrl: string;
  readonly flooder: Merchant;
  readonly receiver: Receiver;
  /** Counts what was answered, by status; 0 is no answer. */
  count(status: number): void;
  readonly signal: AbortSignal;
  /** How many payments, endpoints or connections a door makes before it floods by them. */
  readonly many: number;
};

/** Each door by which one merchant, or a stranger, can ask Malipo for work. */
export const DOORS: Readonly<Record<string, (flood: Flood) => Promise<void>>> = {
  payments: async (flood) => {
    await repeat(flood, 20, () => flood.flooder.send('POST', 'payments', mpesa('78'), ASYNC));
  },
  'payments at a quick provider': async (flood) => {
    await repeat(flood, 20, () => flood.flooder.send('POST', 'payments', CPAY, ASYNC));
  },
  'payments by 10 keys': async (flood) => {
    const keys = await Promise.all(Array.from({ length: 10 }, () => createKey(flood)));
    let turn = 0;
    await repeat(flood, 20, () => {
      turn += 1;
      return (keys[turn % keys.length] ?? flood.flooder).send(
        'POST',
        'payments',
        mpesa('78'),
        ASYNC,
      );
    });
  },
  'look-ups': async (flood) => {
    const { flooder } = flood;
    const made = await Promise.all(
      Array.from({ length: flood.many / 10 }, () =>
        flooder.send('POST', 'payments', mpesa('09'), ASYNC),
      ),
    );
    let turn = 0;
    await repeat(flood, 20, () => {
      turn += 1;
      return flooder.send('POST', `payments/${made[turn % made.length]?.body.id}/verify`);
    });
  },
  recoveries: async (flood) => {
    const { flooder, receiver } = flood;
    await Promise.all(
      Array.from({ length: flood.many }, () => flooder.send('POST', 'payments', CPAY, ASYNC)),
    );
    const urls = [`${receiver.url}/flood/1`, `${receiver.url}/flood/2`];
    const ids = await Promise.all(urls.map((url) => createEndpoint(flood, url)));
    let turn = 0;
    await repeat(flood, 2, () => {
      turn += 1;
      const path = `webhook-endpoints/${ids[turn % ids.length]}/recover`;
      return flooder.send('POST', path, { since: '2026-01-01T00:00:00Z' });
    });
  },
  'endpoints, one address': async (flood) => {
    const { flooder, receiver } = flood;
    const url = `${receiver.url}/flood/same`;
    for (let index = 0; index < 3 * flood.many && !flood.signal.aborted; index += 10) {
      await Promise.all(Array.from({ length: 10 }, () => createEndpoint(flood, url)));
    }
    await repeat(flood, 1, () => flooder.send('POST', 'payments', CPAY, ASYNC));
  },
  'endpoints that hang': async (flood) => {
    const { flooder, receiver } = flood;
    const urls = Array.from({ length: 24 }, (_, index) => `${receiver.silentUrl}/${index}`);
    const ids = await Promise.all(urls.map((url) => createEndpoint(flood, url)));
    let turn = 0;
    await repeat(flood, 4, () => {
      turn += 1;
      return flooder.send('POST', `webhook-endpoints/${ids[turn % ids.length]}/test`);
    });
  },
  'signed callbacks': async (flood) => {
    const secret = 'whsec_fabricated_0000';
    const config = await flood.flooder.send('PUT', 'provider-configs/stripe', {
      environment: 'sandbox',
      credentials: { secret_key: 'sk_test_fabricatedfabricated', webhook_secrets: secret },
    });
    const url = `${flood.apiUrl}/api/v1/webhooks/stripe/${config.body.id}`;
    const filling = randomBytes(130_000).toString('base64');
    await repeat(flood, 8, () => {
      const seconds = Math.floor(Date.now() / 1000);
      const id = `evt_${randomBytes(8).toString('hex')}`;
      const object = { filling };
      const body = JSON.stringify({ id, object: 'event', type: 'x.y', data: { object } });
      const signature = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex');
      return post(url, body, { 'stripe-signature': `t=${seconds},v1=${signature}` });
    });
  },
  'unknown channels': async (flood) => {
    await repeat(flood, 16, () =>
      post(`${flood.apiUrl}/api/v1/webhooks/${randomBytes(7_500).toString('hex')}`, '{}', {}),
    );
  },
  'live connections': async (flood) => {
    const open: WebSocket[] = [];
    const url = `${flood.apiUrl.replace('http', 'ws')}/api/v1/live`;
    const connect = (headers: Record<string, string>) =>
      new Promise<{ status: number }>((resolve) => {
        const socket = new WebSocket(url, { headers, localAddress: FLOODER_ADDRESS });
        open.push(socket);
        socket.once('open', () => resolve({ status: 101 }));
        socket.once('unexpected-response', (_, { statusCode }) => {
          socket.terminate();
          resolve({ status: statusCode ?? 0 });
        });
        socket.once('error', () => resolve({ status: 0 }));
      });
    const authorization = `Bearer ${flood.flooder.key}`;
    for (let index = 0; index < flood.many / 5 && !flood.signal.aborted; index += 1) {
      const many = Array.from({ length: 20 }, () => connect({ authorization }));
      for (const { status } of await Promise.all([...many, connect({})])) flood.count(status);
    }
    await repeat(flood, 2, () => connect({ authorization }));
    for (const socket of open) socket.terminate();
  },
  keys: async (flood) => {
    await repeat(flood, 8, () =>
      flood.flooder.send('POST', 'api-keys', { name: 'filler', scopes: ['payments:read'] }),
    );
  },
  reads: async (flood) => {
    await repeat(flood, 20, () => flood.flooder.send('GET', 'payments?limit=100'));
  },
};

const ASYNC = 'respond-async';
const CPAY = { provider: 'cpay', amount: 5_000, currency: 'KES' };

export function mpesa(lastDigits: string): object {
  const customer = { phone: nextPhone(lastDigits) };
  return { provider: 'mpesa', amount: 10_000, currency: 'KES', customer };
}

async function createKey(flood: Flood): Promise<Merchant> {
  const body = { name: 'one more', scopes: SCOPES };
  const made = await flood.flooder.send('POST', 'api-keys', body);
  return openMerchant(flood.apiUrl, String(made.body.key), fromFlooder);
}

async function createEndpoint(flood: Flood, url: string): Promise<string> {
  const made = await flood.flooder.send('POST', 'webhook-endpoints', { url });
  flood.count(made.status);
  return String(made.body.id);
}

async function post(
  url: string,
  body: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ readonly status: number }> {
  try {
    const answer = await fetch(url, { method: 'POST', body, headers, dispatcher: fromFlooder });
    await answer.arrayBuffer();
    return { status: answer.status };
  } catch {
    return { status: 0 };
  }
}

/** So many at once, each again as soon as it was answered, until the flood ends. */
async function repeat(
  flood: Flood,
  atOnce: number,
  work: () => Promise<{ readonly status: number }>,
): Promise<void> {
  const line = async () => {
    while (!flood.signal.aborted) flood.count((await work()).status);
  };
  await Promise.all(Array.from({ length: atOnce }, line));
}
