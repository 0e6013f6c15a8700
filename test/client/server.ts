import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { Malipo, type MalipoOptions } from '../../client/index.ts';
import { pickPort } from '../../sandbox/ports.ts';

export type Received = {
  readonly method: string;
  readonly path: string;
  readonly key: string | undefined;
  readonly body: string;
  readonly atMs: number;
};
/** What the server does with one request, which it has read and written down. */
export type Step = (response: ServerResponse) => void;

export const JSON_TYPE = 'application/json';
export const PROBLEM_TYPE = 'application/problem+json';
const sendText = (status: number, type: string, text: string, headers = {}): Step => {
  return (response) => response.writeHead(status, { 'content-type': type, ...headers }).end(text);
};

export const ok = (body: object, status = 201) => sendText(status, JSON_TYPE, JSON.stringify(body));
export const html = (status: number, headers = {}) =>
  sendText(status, 'text/html', '<h1>One moment</h1>', headers);
export const problem = (status: number, code: string, isRetryable: boolean, headers = {}) => {
  const body = {
    type: `https://pay.example.test/problems/${code}`,
    title: 'No',
    status,
    detail: 'how to mend it',
    code,
    request_id: 'req_1',
    retryable: isRetryable,
    errors: [{ pointer: '/amount', detail: 'too much' }],
  };
  return sendText(status, PROBLEM_TYPE, JSON.stringify(body), headers);
};
/** The line goes dead after the work was done. */
export const reset: Step = (response) => response.socket?.resetAndDestroy();
/** The answer is on its way when the line goes dead. */
export const cutShort: Step = (response) => {
  response.writeHead(201, { 'content-type': JSON_TYPE, 'content-length': 1000 }).write('{"id":');
  setTimeout(() => response.destroy(), 20);
};
export const silence: Step = () => undefined;

export type MisbehavingServer = {
  readonly url: string;
  readonly received: readonly Received[];
  /** One step for each request from now on; the last one is repeated. */
  play(...steps: readonly Step[]): void;
  client(options?: Partial<MalipoOptions>): Malipo;
  close(): Promise<void>;
};

/** A server that does what it is told, over real connections. */
export async function openServer(): Promise<MisbehavingServer> {
  let received: Received[] = [];
  let script: readonly Step[] = [];
  const server = createServer((request, response) => {
    void request.toArray().then((chunks) => {
      const { method = '', url = '', headers } = request;
      const key = headers['idempotency-key'];
      received.push({
        method,
        path: url,
        key: typeof key === 'string' ? key : undefined,
        body: Buffer.concat(chunks).toString(),
        atMs: performance.now(),
      });
      const step = script[received.length - 1] ?? script.at(-1);
      step?.(response);
    });
  });
  // What the system gives to anybody could be another test's once this one is closed.
  const { port } = await pickPort(0);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    get received() {
      return received;
    },
    play(...steps) {
      script = steps;
      received = [];
    },
    client: (options = {}) =>
      new Malipo({ apiKey: 'sk_test_ofThisTest', baseUrl: url, backoffMs: 4, ...options }),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
