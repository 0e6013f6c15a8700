import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Received = {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** What it tells of; {} where the body is not an event of ours. */
  readonly event: {
    readonly id?: string;
    readonly type?: string;
    readonly data?: Readonly<Record<string, unknown>>;
  };
};

/** A merchant's endpoint, on this machine. */
export type Receiver = {
  readonly url: string;
  readonly received: Received[];
  /** How it answers from now on; the default is 200. */
  answer: (response: ServerResponse, request: Received) => void;
  /** Waits until it got what the condition asks for. */
  until(isIt: (received: readonly Received[]) => boolean): Promise<void>;
  close(): Promise<void>;
};

/** Answers with this status. */
export const saying = (status: number) => (response: ServerResponse) => {
  response.writeHead(status).end('thanks');
};
/** Keeps the connection and says nothing. */
export const silent = () => undefined;

/** Listens at once. @param port that of one that was closed, to be the same endpoint again. */
export async function openReceiver(port = 0): Promise<Receiver> {
  const server = createServer();
  const listeners = new Set<() => void>();
  const receiver: Receiver = {
    url: '',
    received: [],
    answer: saying(200),
    until: (isIt) =>
      new Promise((resolve) => {
        const look = () => {
          if (!isIt(receiver.received)) return;
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        look();
      }),
    async close() {
      server.close();
      server.closeAllConnections();
      if (server.listening) await once(server, 'close');
    },
  };
  server.on('request', (request: IncomingMessage, response) => {
    void request.toArray().then((chunks) => {
      const headers = Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
      );
      const body = Buffer.concat(chunks).toString();
      const received = { headers, body, event: JSON.parse(body) };
      receiver.received.push(received);
      receiver.answer(response, received);
      for (const look of listeners) look();
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as AddressInfo;
  return Object.assign(receiver, { url: `http://127.0.0.1:${address.port}/hook` });
}
