import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { SANDBOX_MERCHANT } from '../../providers/mpesa/simulator/push-request.ts';
import { type SimulatorOptions, startSimulator } from '../../providers/mpesa/simulator.ts';

export type Body = Readonly<Record<string, unknown>>;
export type Heard = {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; empty when it is none. */
  readonly body: Body;
};
export type Ledger = {
  readonly prompts: readonly {
    readonly checkout_request_id: string;
    readonly state: string;
    readonly result_code: string | null;
  }[];
  readonly charges: readonly { readonly receipt: string; readonly amount: number }[];
  readonly callbacks: readonly { readonly status: number }[];
  readonly requests: Readonly<Record<string, number>>;
};

/** Daraja's simulator with a token in hand, spoken to byte by byte. */
export type Desk = {
  readonly url: string;
  readonly token: string;
  ask(method: string, path: string, body?: unknown, headers?: Body): Promise<Heard>;
  grant(headers?: Readonly<Record<string, string>>, query?: string): Promise<Heard>;
  push(changes?: Body): Promise<Heard>;
  query(id: string): Promise<Heard>;
  control(method: string, path: string, body?: unknown): Promise<Heard>;
  ledger(): Promise<Ledger>;
  /** The ledger, once its first prompt was answered. */
  answered(): Promise<Ledger>;
  close(): Promise<void>;
};

const MERCHANT = SANDBOX_MERCHANT;
export const PUSH_PATH = '/mpesa/stkpush/v1/processrequest';
export const QUERY_PATH = '/mpesa/stkpushquery/v1/query';
export const BASIC = `Basic ${btoa(`${MERCHANT.consumer_key}:${MERCHANT.consumer_secret}`)}`;
const TIMESTAMP = '20261124111509';
export const SIGNATURE = {
  BusinessShortCode: MERCHANT.short_code,
  Password: btoa(`${MERCHANT.short_code}${MERCHANT.passkey}${TIMESTAMP}`),
  Timestamp: TIMESTAMP,
};
/** A push in order; nobody listens at its callback address. */
export const PUSH = {
  ...SIGNATURE,
  TransactionType: 'CustomerPayBillOnline',
  Amount: 100,
  PartyA: '254700000099',
  PartyB: MERCHANT.short_code,
  PhoneNumber: '254700000099',
  CallBackURL: 'http://127.0.0.1:1/stk/00ff',
  AccountReference: 'ORDER-1',
  TransactionDesc: 'Order 1',
};

export async function send(
  url: string,
  method: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Heard> {
  const answer = await fetch(url, {
    method,
    redirect: 'manual',
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, body: parse(text) };
}

function parse(text: string): Body {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

const opened: { close(): Promise<void> }[] = [];

/** Closes all that a test opened, whether it passed or not. */
export async function closeAll(): Promise<void> {
  for (const it of opened.splice(0).reverse()) await it.close();
}

export async function openDesk(options: Partial<SimulatorOptions> = {}): Promise<Desk> {
  const simulator = await startSimulator({ port: 0, ...options });
  opened.push(simulator);
  const { url } = simulator;
  const grant = (headers = { authorization: BASIC }, query = 'grant_type=client_credentials') =>
    send(`${url}/oauth/v1/generate?${query}`, 'GET', undefined, headers);
  const token = String((await grant()).body.access_token);
  const ask: Desk['ask'] = (method, path, body, headers = {}) =>
    send(`${url}${path}`, method, body, { authorization: `Bearer ${token}`, ...headers });
  const control: Desk['control'] = (method, path, body) =>
    send(`${url}/simulator/${path}`, method, body);
  const ledger = async (): Promise<Ledger> => JSON.parse((await control('GET', 'ledger')).text);
  return {
    url,
    token,
    ask,
    grant,
    push: (changes) => ask('POST', PUSH_PATH, { ...PUSH, ...changes }),
    query: (id) => ask('POST', QUERY_PATH, { ...SIGNATURE, CheckoutRequestID: id }),
    control,
    ledger,
    async answered() {
      for (;;) {
        const seen = await ledger();
        if (seen.prompts[0]?.state === 'answered') return seen;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    close: () => simulator.close(),
  };
}

export type Receiver = {
  readonly url: string;
  readonly bodies: readonly string[];
  /** To which path each of them came. */
  readonly paths: readonly string[];
  /** What `look` saw when each of them came. */
  readonly seen: readonly unknown[];
  /** The results told, once there are so many. */
  take(count: number): Promise<readonly Body[]>;
  close(): Promise<void>;
};

/** Of the prompt that a push made. */
export function idOf({ body }: Heard): string {
  return String(body.CheckoutRequestID);
}

type Mode = 'answers' | 'silent' | 'unfinished';

/** Where callbacks arrive; `silent` never answers, `unfinished` begins an answer and stops. */
export async function openReceiver(
  look: () => unknown = () => null,
  mode: Mode = 'answers',
): Promise<Receiver> {
  const bodies: string[] = [];
  const paths: string[] = [];
  const seen: unknown[] = [];
  const server = createServer((request, response) => {
    void request.toArray().then((chunks) => {
      seen.push(look());
      paths.push(request.url ?? '');
      bodies.push(Buffer.concat(chunks).toString());
      if (mode === 'answers') response.end('{"ResultCode":0}');
      if (mode === 'unfinished') response.writeHead(200, { 'content-length': 9 }).write('{');
      server.emit('callback');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const receiver: Receiver = {
    url: `http://127.0.0.1:${portOf(server)}/stk/00ff`,
    bodies,
    paths,
    seen,
    async take(count) {
      while (bodies.length < count) {
        await once(server, 'callback', { signal: AbortSignal.timeout(5_000) });
      }
      return bodies.map((body) => JSON.parse(body).Body.stkCallback);
    },
    async close() {
      if (!server.listening) return;
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  opened.push(receiver);
  return receiver;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on a port');
  return address.port;
}

export type Fixture = { readonly http: { readonly status: number }; readonly body: unknown };
const FIXTURES = new URL('../../providers/mpesa/fixtures/', import.meta.url);
export function readFixture(name: string): Fixture {
  return JSON.parse(readFileSync(new URL(`${name}.json`, FIXTURES), 'utf8'));
}

/** The same value with the name of its type in each place of a value. */
export function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, shapeOf(part)]));
}
