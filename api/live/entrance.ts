import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { addressOf, subjectOf } from '../addresses.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { requireHost } from '../host.ts';
import { requireRate } from '../middleware/rate-limit.ts';
import { findLiveCaller, LIVE_ACCESS, type LiveCaller } from './caller.ts';
import type { CLOSE } from './messages.ts';
import type { LiveSettings } from './settings.ts';

const PATH = LIVE_ACCESS.path;

/** Who comes in, as the request says; `refused` and `closed` are told why, before and after it. */
export type Admission =
  | { readonly kind: 'refused'; readonly problem: ApiError }
  | { readonly kind: 'closed'; readonly why: keyof typeof CLOSE }
  | { readonly kind: 'known'; readonly caller: LiveCaller; readonly token: string }
  /** Says who it is in its first message; `leave` when it did. */
  | { readonly kind: 'stranger'; readonly address: string; readonly leave: () => void };

export type Entrance = (request: IncomingMessage, socket: Duplex) => Promise<Admission>;

/** @param countInside how many are connected. */
export function openEntrance(
  deps: ApiDeps,
  settings: LiveSettings,
  countInside: () => number,
): Entrance {
  const enterStranger = openLobby(settings);
  let judged = 0;
  const judge: Entrance = async (request, socket) => {
    requireHost(request);
    const url = URL.parse(request.url ?? '', 'http://localhost');
    if (url === null) throw new ApiError('malformed_request', 'the path cannot be read');
    if (url.pathname !== PATH) {
      throw new ApiError('not_found', `only ${PATH} takes WebSocket connections`);
    }
    const address = subjectOf(addressOf(request, deps.trustedProxies));
    await requireRate(deps, 'address', address);
    if (deps.isDraining() || countInside() + judged > settings.connectionsMax) {
      throw new ApiError('temporarily_unavailable', 'no more connections are taken here now');
    }
    const [, token] = /^Bearer (\S{1,4000})$/.exec(request.headers.authorization ?? '') ?? [];
    if (token === undefined) return enterStranger(address, socket);
    const caller = await findLiveCaller(deps, token);
    if (caller !== null) return { kind: 'known', caller, token };
    await requireRate(deps, 'refused', address);
    return { kind: 'closed', why: 'unauthorized' };
  };
  return async (request, socket) => {
    judged += 1;
    try {
      return await judge(request, socket);
    } catch (error) {
      if (error instanceof ApiError) return { kind: 'refused', problem: error };
      deps.log.warn({ err: error }, 'a live client could not be let in');
      return { kind: 'closed', why: 'draining' };
    } finally {
      judged -= 1;
    }
  };
}

/** Strangers cost a connection each, so one address has few of them. */
function openLobby({ strangersEachMax, authenticateMs }: LiveSettings) {
  const waiting = new Map<string, number>();
  return (address: string, socket: Duplex): Admission => {
    const before = waiting.get(address) ?? 0;
    if (before >= strangersEachMax) {
      const detail = 'too many connections of this address have not said who they are';
      throw new ApiError('rate_limited', detail, [], Math.ceil(authenticateMs / 1000));
    }
    waiting.set(address, before + 1);
    let isInside = true;
    const leave = () => {
      if (!isInside) return;
      isInside = false;
      const left = (waiting.get(address) ?? 1) - 1;
      if (left === 0) waiting.delete(address);
      else waiting.set(address, left);
    };
    socket.once('close', leave);
    return { kind: 'stranger', address, leave };
  };
}
