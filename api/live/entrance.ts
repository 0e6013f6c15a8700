import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { addressOf, subjectOf } from '../addresses.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { requireHost } from '../host.ts';
import { requireRate, requireSiteRate } from '../middleware/rate-limit.ts';
import { findLiveCaller, LIVE_ACCESS, type LiveCaller } from './caller.ts';
import type { CLOSE } from './messages.ts';
import { openWaitingRoom, type Place } from './places.ts';
import type { LiveSettings } from './settings.ts';

const PATH = LIVE_ACCESS.path;

/** Who comes in, as the request says; `refused` and `closed` are told why, before and after it. */
export type Admission =
  | { readonly kind: 'refused'; readonly problem: ApiError }
  | { readonly kind: 'closed'; readonly why: keyof typeof CLOSE }
  | { readonly kind: 'known'; readonly caller: LiveCaller; readonly token: string }
  /** Says who it is in its first message; its place is held while that is looked at. */
  | { readonly kind: 'stranger'; readonly address: string; readonly place: Place };

export type Entrance = (request: IncomingMessage, socket: Duplex) => Promise<Admission>;

/** Lets in whom there is a place for; places of sessions are counted when they begin. */
export function openEntrance(deps: ApiDeps, settings: LiveSettings): Entrance {
  const enterStranger = openStrangersDoor(settings);
  const judge: Entrance = async (request, socket) => {
    requireHost(request);
    const url = URL.parse(request.url ?? '', 'http://localhost');
    if (url === null) throw new ApiError('malformed_request', 'the path cannot be read');
    if (url.pathname !== PATH) {
      throw new ApiError('not_found', `only ${PATH} takes WebSocket connections`);
    }
    const address = addressOf(request, deps.trustedProxies);
    await requireRate(deps, 'address', subjectOf(address));
    if (deps.isDraining()) throw refuseFull();
    const [, token] = /^Bearer (\S{1,4000})$/.exec(request.headers.authorization ?? '') ?? [];
    if (token === undefined) return enterStranger(address, socket);
    const caller = await findLiveCaller(deps, token);
    if (caller !== null) return { kind: 'known', caller, token };
    await countGuess(deps, address);
    return { kind: 'closed', why: 'unauthorized' };
  };
  return async (request, socket) => {
    try {
      return await judge(request, socket);
    } catch (error) {
      if (error instanceof ApiError) return { kind: 'refused', problem: error };
      deps.log.warn({ err: error }, 'a live client could not be let in');
      return { kind: 'closed', why: 'draining' };
    }
  };
}

/** As over HTTP. @throws ApiError rate_limited */
export async function countGuess(deps: ApiDeps, address: string): Promise<void> {
  await requireRate(deps, 'refused', subjectOf(address));
  await requireSiteRate(deps, 'refused', address);
}

function refuseFull(): ApiError {
  return new ApiError('temporarily_unavailable', 'no more connections are taken here now');
}

function openStrangersDoor(settings: LiveSettings) {
  const room = openWaitingRoom(settings);
  return (address: string, socket: Duplex): Admission => {
    const place = room.enter(subjectOf(address), socket);
    if (place === 'full') throw refuseFull();
    if (place === 'address_full') {
      const detail = 'too many connections of this address have not said who they are';
      const waitS = Math.ceil(settings.authenticateMs / 1000);
      throw new ApiError('rate_limited', detail, [], waitS);
    }
    return { kind: 'stranger', address, place };
  };
}
