import { WebSocket } from 'ws';
import { until } from '../until.ts';

/** A client of the live feed that keeps all it is told. */
export type Told = {
  readonly type: string;
  readonly cursor?: string;
  readonly event?: {
    readonly type: string;
    readonly cursor: string;
    readonly data: { readonly id: string };
  };
};
export type Client = {
  readonly socket: WebSocket;
  readonly told: Told[];
  /** The code that it was closed with. */
  readonly code: Promise<number>;
};

const open: WebSocket[] = [];

/** @param token null: it says nothing yet. @param from as our own proxy tells it. */
export function connect(url: string, token: string | null, from?: string): Client {
  const headers = {
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    ...(from === undefined ? {} : { 'x-forwarded-for': from }),
  };
  const socket = new WebSocket(`${url.replace('http', 'ws')}/api/v1/live`, { headers });
  open.push(socket);
  const told: Told[] = [];
  socket.on('message', (data) => {
    if (Buffer.isBuffer(data)) told.push(JSON.parse(data.toString()));
  });
  socket.on('error', () => undefined);
  const code = new Promise<number>((resolve) => socket.once('close', resolve));
  return { socket, told, code };
}

export async function subscribe(url: string, token: string, wish: object = {}): Promise<Client> {
  const client = connect(url, token);
  await until(() => client.told.some(({ type }) => type === 'authenticated'));
  client.socket.send(JSON.stringify({ type: 'subscribe', ...wish }));
  await until(() => client.told.some(({ type }) => type === 'subscribed'));
  return client;
}

/** For after each test. */
export function closeClients(): void {
  for (const socket of open.splice(0)) socket.terminate();
}

export const eventsOf = ({ told }: Client) => told.flatMap(({ event }) => (event ? [event] : []));
export const cursorsOf = (client: Client) => eventsOf(client).map(({ cursor }) => cursor);
/** Without the small changes between. */
export const typesOf = (client: Client) =>
  eventsOf(client)
    .map(({ type }) => type)
    .filter((type) => !type.endsWith('.updated'));
