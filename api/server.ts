import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type Koa from 'koa';
import { REQUEST_WAIT_MAX_MS } from '../config/policies.ts';
import { ApiError, type ProblemCode } from './errors.ts';
import type { Live } from './live/server.ts';
import { answerRaw } from './raw-answer.ts';

/** How long a request may take to come in, and the drain to go out. Tests shorten them. */
export const SERVER_TIMEOUTS = {
  headersMs: 10_000,
  requestMs: 30_000,
  /** How often Node looks who is too slow. */
  lookEveryMs: 2_000,
  /** Whoever waits the longest is answered, after one slow statement of the database too. */
  drainMs: REQUEST_WAIT_MAX_MS + 10_000,
} as const satisfies Record<string, number>;
export type ServerTimeouts = Readonly<Record<keyof typeof SERVER_TIMEOUTS, number>>;

export type RunningServer = {
  readonly port: number;
  /** Takes no new connection, lets requests in progress end, then returns. */
  close(): Promise<void>;
};

type Place = { readonly host: string; readonly port: number; readonly publicUrl: string };

/** @param place port 0 for any free one. @param live takes upgrades to WebSocket. */
export async function listen(
  app: Koa,
  { host, port, publicUrl }: Place,
  live: Live | null = null,
  timeouts: ServerTimeouts = SERVER_TIMEOUTS,
): Promise<RunningServer> {
  const handle = app.callback();
  const answers = new WeakMap<Duplex, ServerResponse>();
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    answers.set(request.socket, response);
    handle(request, response).catch(() => response.destroy());
  };
  const options = {
    headersTimeout: timeouts.headersMs,
    requestTimeout: timeouts.requestMs,
    connectionsCheckingInterval: timeouts.lookEveryMs,
    // Node's own refusal has an empty body; api/host.ts refuses by a problem.
    requireHostHeader: false,
    // Some clients offer HTTP/2 by each request; what we do not speak is ignored (RFC 9110, 7.8).
    shouldUpgradeCallback: ({ headers }: IncomingMessage) =>
      live !== null && headers.upgrade?.toLowerCase() === 'websocket',
  };
  const server = createServer(options, serve);
  server.on('checkExpectation', serve);
  server.on('connect', (_request, socket) => {
    const problem = new ApiError('method_not_allowed', 'this is no proxy');
    socket.on('error', () => socket.destroy());
    answerRaw(socket, problem, publicUrl);
  });
  server.on('clientError', refuseBroken(answers, publicUrl));
  if (live !== null) server.on('upgrade', (...parts) => live.upgrade(...parts));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    port: portOf(server),
    async close() {
      const drained = drain(server, timeouts.drainMs);
      await live?.close();
      await drained;
    },
  };
}

/** What Node cannot read or did not get in time, by its own codes; all else is malformed. */
const BROKEN: Readonly<Record<string, readonly [ProblemCode, string]>> = {
  // table
  HPE_HEADER_OVERFLOW: ['headers_too_large', 'path and headers may hold 16 KB together'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['body_too_large', 'the extensions of a chunk are too long'],
  ERR_HTTP_REQUEST_TIMEOUT: ['request_timeout', 'the request did not arrive in time'],
};

/** Answers what never became a request, and a request whose rest is broken. */
function refuseBroken(answers: WeakMap<Duplex, ServerResponse>, publicUrl: string) {
  const refused = new WeakSet<Duplex>();
  return (error: Error, socket: Duplex) => {
    // Whatever else comes on a refused connection is read away.
    if (refused.has(socket)) return;
    refused.add(socket);
    const answer = answers.get(socket);
    const isOpen = answer !== undefined && !answer.writableFinished;
    if (isOpen && (answer.headersSent || answer.req.complete)) {
      // What came after a whole request is not its fault: it gets its own answer, and then it ends.
      answer.shouldKeepAlive = false;
      return;
    }
    const code = 'code' in error ? String(error.code) : '';
    if (code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    const [problem, detail] = BROKEN[code] ?? ['malformed_request', 'this is not HTTP/1.1'];
    answerRaw(socket, new ApiError(problem, detail), publicUrl);
  };
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on a port');
  return address.port;
}

function drain(server: Server, limitMs: number): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => server.closeAllConnections(), limitMs);
    server.close(() => {
      clearTimeout(force);
      resolve();
    });
    server.closeIdleConnections();
  });
}
