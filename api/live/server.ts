import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Caller } from '../../domain/access.ts';
import type { ApiDeps } from '../deps.ts';
import { readAccessToken, readApiKey } from '../middleware/authenticate.ts';
import { type Feed, openFeed } from './feed.ts';
import { CLOSE, readMessage, Session } from './session.ts';

/** The live feed's side of the HTTP server. */
export type Live = {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  close(): Promise<void>;
};

const PATH = '/api/v1/live';
const MESSAGE_BYTES_MAX = 8 * 1024;
const AUTHENTICATE_MS = 5_000;
const HEARTBEAT_MS = 20_000;
const CONNECTIONS_MAX = 2_000;
const CONNECTIONS_EACH_MAX = 1_000;

/**
 * WebSocket at /api/v1/live. The first message, or an Authorization header, says who it is; then
 * `{"type":"subscribe","payment_id"?,"after"?}` brings events. docs/events.md has the whole talk.
 */
export function openLive(deps: ApiDeps, databaseUrl: string): Live {
  const sessions = new Set<Session>();
  const server = new WebSocketServer({ noServer: true, maxPayload: MESSAGE_BYTES_MAX });
  const { pool, log } = deps;
  const feed = openFeed({ pool, databaseUrl, log }, (events) => {
    for (const event of events) for (const session of sessions) session.offer(event);
  });
  const heartbeat = beat(server);
  const count = () => deps.metrics.setLiveConnections(server.clients.size);
  server.on('connection', (socket: WebSocket, request: IncomingMessage) => {
    attend({ deps, feed, sessions }, socket, request);
    socket.on('close', count);
    count();
  });

  return {
    upgrade(request, socket, head) {
      if (new URL(request.url ?? '', 'http://localhost').pathname !== PATH) {
        socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
        return;
      }
      server.handleUpgrade(request, socket, head, (client) => {
        if (server.clients.size > CONNECTIONS_MAX) end(client, 'too_many');
        else server.emit('connection', client, request);
      });
    },
    async close() {
      clearInterval(heartbeat);
      for (const socket of server.clients) end(socket, 'draining');
      await feed.close();
      setTimeout(() => {
        for (const socket of server.clients) socket.terminate();
      }, 1_000).unref();
    },
  };
}

/** Lets go of who does not answer a ping until the next. */
function beat(server: WebSocketServer): NodeJS.Timeout {
  const silent = new WeakSet<WebSocket>();
  server.on('connection', (socket: WebSocket) => {
    socket.on('pong', () => silent.delete(socket));
  });
  return setInterval(() => {
    for (const socket of server.clients) {
      if (silent.has(socket)) socket.terminate();
      silent.add(socket);
      socket.ping();
    }
  }, HEARTBEAT_MS);
}

type Room = { readonly deps: ApiDeps; readonly feed: Feed; readonly sessions: Set<Session> };

/** From a client's first word to its last. */
function attend(room: Room, socket: WebSocket, request: IncomingMessage): void {
  const { deps, feed, sessions } = room;
  let session: Promise<Session | null> | null = null;
  const enter = (token: string) => {
    session = authenticate(deps, token).then(
      (caller) => welcome(socket, caller, sessions),
      (error: unknown) => {
        deps.log.warn({ err: error }, 'a live client could not be let in');
        end(socket, 'draining');
        return null;
      },
    );
    return session;
  };
  const [, bearer] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '') ?? [];
  if (bearer !== undefined) void enter(bearer);
  const tooLate = setTimeout(() => {
    if (session === null) end(socket, 'unauthorized');
  }, AUTHENTICATE_MS);
  const listen = async (text: string) => {
    const message = readMessage(text);
    if (message === null) return end(socket, 'malformed');
    if (message.type === 'authenticate') {
      if (session === null) await enter(message.token);
      return;
    }
    const known = await session;
    if (known === null) return end(socket, 'unauthorized');
    await known.subscribe(deps, feed, message);
  };
  socket.on('error', () => socket.terminate());
  socket.on('message', (data) => {
    listen(Buffer.isBuffer(data) ? data.toString() : '').catch((error: unknown) => {
      deps.log.warn({ err: error }, 'a live subscription failed');
      end(socket, 'draining');
    });
  });
  socket.on('close', () => {
    clearTimeout(tooLate);
    void session?.then((known) => known !== null && sessions.delete(known));
  });
}

function end(socket: WebSocket, why: keyof typeof CLOSE): void {
  socket.close(CLOSE[why].code, CLOSE[why].reason);
}

/** A key that may read payments, or any operator. */
async function authenticate(
  deps: ApiDeps,
  token: string,
): Promise<Exclude<Caller, { kind: 'open' }> | null> {
  const merchant = await readApiKey(deps, token);
  if (merchant !== null) return merchant.scopes.includes('payments:read') ? merchant : null;
  return await readAccessToken(deps, token);
}

function welcome(
  socket: WebSocket,
  caller: Awaited<ReturnType<typeof authenticate>>,
  sessions: Set<Session>,
): Session | null {
  if (caller === null) {
    end(socket, 'unauthorized');
    return null;
  }
  const session = new Session(socket, caller);
  const same = [...sessions].filter(({ merchantId }) => merchantId === session.merchantId);
  if (same.length >= CONNECTIONS_EACH_MAX) {
    end(socket, 'too_many');
    return null;
  }
  sessions.add(session);
  session.send({ type: 'welcome' });
  return session;
}
