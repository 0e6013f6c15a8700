import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { answerRaw } from '../raw-answer.ts';
import {
  type Admission,
  countWrongToken,
  createAdmission,
  findLiveCaller,
  LIVE_SETTINGS,
  type LiveCaller,
  type LiveSettings,
  startRechecks,
} from './authenticate.ts';
import {
  Connection,
  type ConnectionParts,
  close,
  encodeEvent,
  findLimit,
  type Message,
  readMessage,
} from './connection.ts';
import { createSharedSemaphore, openFeed } from './feed.ts';

/** The live feed's side of the HTTP server. */
export type Live = {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  close(): Promise<void>;
};

const MESSAGE_BYTES_MAX = 8 * 1024;

/** The authenticated connections of this process, and what they share. */
type Registry = ConnectionParts & { readonly connections: Set<Connection> };

/** WebSocket at /api/v1/live; docs/events.md describes its messages. */
export function openLive(
  deps: ApiDeps,
  databaseUrl: string,
  changes: Partial<LiveSettings> = {},
): Live {
  const settings: LiveSettings = { ...LIVE_SETTINGS, ...changes };
  const server = openSocketServer(deps, settings);
  const connections = new Set<Connection>();
  const { pool, log } = deps;
  const feed = openFeed({
    pool,
    databaseUrl,
    pollIntervalMs: settings.pollIntervalMs,
    log,
    onHearing: deps.deployment.setHearing,
    // The notification may be for another process: each checks its own clients.
    onAccessChanged: (merchantId) => rechecks.ofMerchant(merchantId),
    onEvents(events) {
      for (const event of events) {
        const encoded = encodeEvent(event);
        for (const connection of connections) connection.publish(event, encoded);
      }
    },
  });
  const readsOf = createSharedSemaphore(settings.readsMax, settings.readsEachMax);
  const registry: Registry = { deps, feed, settings, readsOf, connections };
  const admit = createAdmission(deps, settings);
  const rechecks = startRechecks(deps, settings, connections, ({ socket }) =>
    close(socket, 'unauthorized'),
  );
  const timers = [startHeartbeat(server, settings), rechecks.timer];
  const upgrade = async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const admission = await admit(request, socket);
    if (admission.kind === 'refused') {
      return answerRaw(socket, admission.problem, deps.publicUrl);
    }
    server.handleUpgrade(request, socket, head, (client) => {
      server.emit('connection', client, request);
      onConnection(registry, client, admission);
    });
  };
  return {
    upgrade(request, socket, head) {
      // First of all: an error that nobody listens for ends the process.
      socket.on('error', () => socket.destroy());
      upgrade(request, socket, head).catch((error: unknown) => {
        log.error({ err: error }, 'a live connection could not be opened');
        socket.destroy();
      });
    },
    async close() {
      for (const timer of timers) clearInterval(timer);
      for (const socket of server.clients) close(socket, 'draining');
      await feed.close();
    },
  };
}

function openSocketServer(deps: ApiDeps, { closeMs }: LiveSettings): WebSocketServer {
  // `closeTimeout` is younger than the published types.
  const options = { noServer: true, maxPayload: MESSAGE_BYTES_MAX, closeTimeout: closeMs };
  const server = new WebSocketServer(options);
  deps.metrics.watchLiveUnread(() =>
    [...server.clients].reduce((bytes, { bufferedAmount }) => bytes + bufferedAmount, 0),
  );
  const count = () => deps.metrics.setLiveConnections(server.clients.size);
  server.on('connection', (socket: WebSocket) => {
    socket.on('close', count);
    count();
  });
  server.on('wsClientError', (error, socket) => {
    answerRaw(socket, new ApiError('malformed_request', error.message), deps.publicUrl);
  });
  return server;
}

/** Disconnects a client that does not answer a ping before the next one. */
function startHeartbeat(server: WebSocketServer, { heartbeatMs }: LiveSettings): NodeJS.Timeout {
  const unanswered = new WeakSet<WebSocket>();
  server.on('connection', (socket: WebSocket) => {
    socket.on('pong', () => unanswered.delete(socket));
  });
  return setInterval(() => {
    for (const socket of server.clients) {
      if (unanswered.has(socket)) socket.terminate();
      unanswered.add(socket);
      socket.ping();
    }
  }, heartbeatMs);
}

/** A client from its handshake on; `connection` is null until it is authenticated. */
type Client = {
  readonly socket: WebSocket;
  readonly admission: Exclude<Admission, { readonly kind: 'refused' }>;
  readonly deadline: NodeJS.Timeout;
  connection: Connection | null;
};

function onConnection(registry: Registry, socket: WebSocket, admission: Client['admission']): void {
  // The library closes by itself what breaks the protocol, with 1002, 1007 or 1009.
  socket.on('error', () => undefined);
  if (admission.kind === 'closed') {
    close(socket, admission.why);
    return;
  }
  const { deps, settings, connections } = registry;
  const deadline = setTimeout(() => close(socket, 'unauthorized'), settings.authenticateMs);
  const client: Client = { socket, admission, deadline, connection: null };
  if (admission.kind === 'authenticated') register(registry, client, admission);
  // Messages are handled one after the other: a thousand subscriptions would be as many reads.
  let handled = Promise.resolve();
  let waiting = 0;
  socket.on('message', (data) => {
    const message = readMessage(Buffer.isBuffer(data) ? data.toString() : '');
    if (message === null) return close(socket, 'malformed');
    // Opened now and not in its turn, so that the subscription before ends at once.
    const opened = message.type === 'subscribe' ? client.connection?.openSubscription() : null;
    if (waiting >= settings.messagesWaitingMax) return close(socket, 'too_many');
    waiting += 1;
    handled = handled
      .then(() => handleMessage(registry, client, message, opened ?? null))
      .catch((error: unknown) => {
        deps.log.warn({ err: error }, 'a message of a live client could not be handled');
        close(socket, 'draining');
      })
      .finally(() => {
        waiting -= 1;
      });
  });
  socket.on('close', () => {
    clearTimeout(deadline);
    if (client.connection === null) return;
    client.connection.onClosed();
    connections.delete(client.connection);
  });
}

async function handleMessage(
  registry: Registry,
  client: Client,
  message: Message,
  opened: number | null,
): Promise<void> {
  const { socket, connection } = client;
  if (socket.readyState !== socket.OPEN) return;
  if (message.type === 'authenticate') {
    if (connection === null) await authenticate(registry, client, message.token);
    return;
  }
  if (connection === null) return close(socket, 'unauthorized');
  const subscription = opened ?? connection.openSubscription();
  if (subscription === null) return close(socket, 'too_many');
  await connection.subscribe(message, subscription);
}

/** Wrong tokens are counted by address, as over HTTP. */
async function authenticate(registry: Registry, client: Client, token: string): Promise<void> {
  const { socket, admission, deadline } = client;
  if (admission.kind !== 'unauthenticated') return;
  clearTimeout(deadline);
  admission.slot.keep();
  const caller = await findLiveCaller(registry.deps, token);
  admission.slot.release();
  if (caller !== null) return register(registry, client, { caller, token });
  const isLimited = await countWrongToken(registry.deps, admission.address).then(
    () => false,
    (error: unknown) => {
      if (error instanceof ApiError) return true;
      throw error;
    },
  );
  close(socket, isLimited ? 'too_many' : 'unauthorized');
}

function register(
  registry: Registry,
  client: Client,
  { caller, token }: { readonly caller: LiveCaller; readonly token: string },
): void {
  const { socket, deadline } = client;
  clearTimeout(deadline);
  if (socket.readyState !== socket.OPEN) return;
  const connection = new Connection(socket, caller, token, registry);
  const limit = findLimit(connection, registry.connections, registry.settings);
  if (limit !== null) {
    connection.onClosed();
    close(socket, limit);
    return;
  }
  client.connection = connection;
  registry.connections.add(connection);
  connection.send({ type: 'authenticated' });
}
