import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { answerRaw } from '../raw-answer.ts';
import { findLiveCaller } from './caller.ts';
import { openEntrance } from './entrance.ts';
import { openFeed } from './feed.ts';
import { end } from './messages.ts';
import { type Session, tellEvent } from './session.ts';
import { LIVE_SETTINGS, type LiveSettings } from './settings.ts';
import { openSharedTurns } from './turns.ts';
import { attend, type Hall } from './visit.ts';

/** The live feed's side of the HTTP server. */
export type Live = {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  close(): Promise<void>;
};

const MESSAGE_BYTES_MAX = 8 * 1024;

/**
 * WebSocket at /api/v1/live. The first message, or an Authorization header, says who it is; then
 * `{"type":"subscribe","payment_id"?,"after"?}` brings events. docs/events.md has the whole talk.
 */
export function openLive(
  deps: ApiDeps,
  databaseUrl: string,
  changes: Partial<LiveSettings> = {},
): Live {
  const settings: LiveSettings = { ...LIVE_SETTINGS, ...changes };
  const server = openSocketServer(deps, settings);
  const sessions = new Set<Session>();
  const { pool, log } = deps;
  const { lookEveryMs, readsMax, readsEachMax } = settings;
  const onHearing = deps.deployment.setHearing;
  // The notification may be for another process: each asks about its own clients.
  const onAccessChanged = (merchantId: string) => check.ofMerchant(merchantId);
  const source = { pool, databaseUrl, lookEveryMs, log, onHearing, onAccessChanged };
  const feed = openFeed(source, (events) => {
    for (const event of events) {
      const told = tellEvent(event);
      for (const session of sessions) session.offer(event, told);
    }
  });
  const readsOf = openSharedTurns(readsMax, readsEachMax);
  const hall: Hall = { deps, pool, log, feed, settings, readsOf, sessions };
  const entrance = openEntrance(deps, settings);
  const check = recheck(hall);
  const timers = [beat(server, settings), check.timer];
  const enter = async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const admission = await entrance(request, socket);
    if (admission.kind === 'refused') {
      return answerRaw(socket, admission.problem, deps.publicUrl);
    }
    server.handleUpgrade(request, socket, head, (client) => {
      server.emit('connection', client, request);
      attend(hall, client, admission);
    });
  };
  return {
    upgrade(request, socket, head) {
      // First of all: an error that nobody listens for ends the process.
      socket.on('error', () => socket.destroy());
      enter(request, socket, head).catch((error: unknown) => {
        log.error({ err: error }, 'a live client could not be let in');
        socket.destroy();
      });
    },
    async close() {
      for (const timer of timers) clearInterval(timer);
      for (const socket of server.clients) end(socket, 'draining');
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

/** Lets go of who does not answer a ping until the next. */
function beat(server: WebSocketServer, { heartbeatMs }: LiveSettings): NodeJS.Timeout {
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
  }, heartbeatMs);
}

/** Who was let in stays only as long as it would be let in again. */
function recheck({ deps, sessions, settings }: Hall) {
  const ask = async (asked: Iterable<Session>) => {
    let unasked = 0;
    let err: unknown = null;
    for (const [token, theirs] of Map.groupBy(asked, (session) => session.token)) {
      // While nobody can say, such as with an issuer away, who is in stays in.
      const found = await findLiveCaller(deps, token).catch((error: unknown) => {
        unasked += theirs.length;
        err = error;
        return 'unknown' as const;
      });
      if (found !== null) continue;
      for (const { socket } of theirs) end(socket, 'unauthorized');
    }
    // Once a round: while the database is away, each of thousands would say the same.
    if (unasked > 0) deps.log.warn({ clients: unasked, err }, 'live clients were not rechecked');
  };
  let isAsking = false;
  const timer = setInterval(() => {
    if (isAsking) return;
    isAsking = true;
    void ask(sessions).finally(() => {
      isAsking = false;
    });
  }, settings.recheckMs);
  return {
    timer,
    ofMerchant(merchantId: string) {
      void ask([...sessions].filter((session) => session.merchantId === merchantId));
    },
  };
}
