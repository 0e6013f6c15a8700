import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Agent, fetch } from 'undici';
import type { SandboxDetails } from '../sandbox/details.ts';
import { chooseHome } from '../sandbox/home.ts';

/** What the bench reads of an answer; the rest it passes on. */
type Body = {
  readonly id: string;
  readonly status: string;
  readonly key: string;
  readonly access_token: string;
  readonly data: readonly unknown[];
};
export type Answer = { readonly status: number; readonly body: Partial<Body> };

/** One merchant of the sandbox, as its backend sees Malipo. */
export type Merchant = {
  readonly key: string;
  /** @param prefer `respond-async`: answered as soon as it is stored. */
  send(method: string, path: string, body?: object, prefer?: string): Promise<Answer>;
};

export type Sandbox = {
  readonly apiUrl: string;
  /** A merchant of its own, with a key that may do all but refunds. @param from its address. */
  createMerchant(name: string, from?: Agent): Promise<Merchant>;
};

/** Who floods comes from another address: requests are counted for each address, too. */
export const FLOODER_ADDRESS = '127.0.0.2';
/** A connection that idles longer may be closed by the server just as it is used again. */
const keepAliveTimeout = 1_000;
export const fromFlooder = new Agent({ localAddress: FLOODER_ADDRESS, keepAliveTimeout });
const fromHere = new Agent({ keepAliveTimeout });

export const SCOPES = [
  'payments:read',
  'payments:write',
  'provider_configs:read',
  'provider_configs:write',
  'webhook_endpoints:read',
  'webhook_endpoints:write',
  'api_keys:read',
  'api_keys:write',
];

/** The sandbox that runs. @throws when none does. */
export function openSandbox(): Promise<Sandbox> {
  const file = join(chooseHome(process.env), 'sandbox.json');
  if (!existsSync(file)) throw new Error('no sandbox runs: start one with npm start');
  return openSandboxAt(JSON.parse(readFileSync(file, 'utf8')));
}

type Place = Pick<SandboxDetails, 'api_url' | 'operator' | 'second_operator'>;

export async function openSandboxAt(place: Place): Promise<Sandbox> {
  const { api_url: apiUrl, operator, second_operator: second } = place;
  const token = await signIn(apiUrl, operator);
  const secondToken = await signIn(apiUrl, second);
  return {
    apiUrl,
    async createMerchant(name, from = fromHere) {
      const merchant = await send(fromHere, apiUrl, token, 'POST', 'admin/merchants', { name });
      const path = `admin/merchants/${merchant.body.id}/api-keys`;
      const body = { name, scopes: SCOPES };
      const asked = await send(fromHere, apiUrl, token, 'POST', path, body);
      // A key that may change accounts takes two operators.
      const made =
        asked.status === 202
          ? await send(fromHere, apiUrl, secondToken, 'POST', path, body)
          : asked;
      if (made.status !== 201) throw new Error(`no key: ${JSON.stringify(made)}`);
      return openMerchant(apiUrl, String(made.body.key), from);
    },
  };
}

async function signIn(apiUrl: string, operator: object): Promise<string> {
  const session = await send(fromHere, apiUrl, null, 'POST', 'sessions', operator);
  return String(session.body.access_token);
}

export function openMerchant(apiUrl: string, key: string, from: Agent): Merchant {
  return { key, send: (...request) => send(from, apiUrl, key, ...request) };
}

/** Status 0: no answer came. */
async function send(
  dispatcher: Agent,
  apiUrl: string,
  bearer: string | null,
  method: string,
  path: string,
  body?: object,
  prefer?: string,
): Promise<Answer> {
  try {
    const answer = await fetch(`${apiUrl}/api/v1/${path}`, {
      method,
      dispatcher,
      headers: {
        'content-type': 'application/json',
        'idempotency-key': randomUUID(),
        ...(prefer === undefined ? {} : { prefer }),
        ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === '' ? {} : JSON.parse(text) };
  } catch {
    return { status: 0, body: {} };
  }
}

let phones = 0;

/** A phone that nobody else has. @param lastDigits choose what the simulated payer does. */
export function nextPhone(lastDigits: string): string {
  phones += 1;
  const number = (Date.now() % 1000) * 1000 + (phones % 1000);
  return `2547${String(number).padStart(6, '0')}${lastDigits}`;
}

export type Receiver = {
  /** Takes what comes, and tells it. */
  readonly url: string;
  /** Takes the request and never answers. */
  readonly silentUrl: string;
  /** How many came to `url`. */
  received(): number;
  /** Resolves when one more comes whose path ends with this. */
  next(path: string): Promise<void>;
  close(): Promise<void>;
};

/** Where webhooks go. */
export async function openReceiver(): Promise<Receiver> {
  const waiting = new Map<string, () => void>();
  let count = 0;
  const server = createServer((request, response) => {
    request.resume();
    const path = request.url ?? '/';
    if (path.startsWith('/silent')) return;
    count += 1;
    response.writeHead(200).end();
    waiting.get(path)?.();
    waiting.delete(path);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    silentUrl: `http://127.0.0.1:${port}/silent`,
    received: () => count,
    next: (path) => new Promise((resolve) => waiting.set(path, resolve)),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
