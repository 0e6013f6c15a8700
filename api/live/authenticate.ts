import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type Access, type Caller, covers, EVENT_ACCESS } from '../../domain/access.ts';
import { addressOf, subjectOf } from '../addresses.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { requireHost } from '../host.ts';
import { readAccessToken, readApiKey } from '../middleware/authenticate.ts';
import { requireRate, requireSiteRate } from '../middleware/rate-limit.ts';

/** Who may follow the live feed, which is no operation; docs/generated/access.md lists it too. */
export const LIVE_ACCESS = {
  path: '/api/v1/live',
  merchant: EVENT_ACCESS,
  operator: { kind: 'operator', role: 'viewer' },
} as const satisfies Readonly<Record<'merchant' | 'operator', Access>> & { readonly path: string };

/** Limits of the live feed. Tests change them. */
export const LIVE_SETTINGS = {
  /** From the handshake to the first message, which authenticates. */
  authenticateMs: 5_000,
  /** A client that does not answer a ping before the next one is disconnected. */
  heartbeatMs: 20_000,
  /** How long a revoked key still receives events, at most. */
  recheckMs: 30_000,
  /** Finds what no notification reported, and what waited for an older transaction. */
  pollIntervalMs: 1_000,
  /** From our close to the end of a connection whose client does not answer the close. */
  closeMs: 2_000,
  /** How long a client may take to read what waits for it, before more is sent. */
  stallMs: 30_000,
  /** Three kinds of connections, none of which can use up another's: of merchants, all and each… */
  merchantConnectionsMax: 1_600,
  connectionsEachMax: 100,
  /** …of operators, all and each… */
  operatorConnectionsMax: 200,
  operatorConnectionsEachMax: 20,
  /** …and unauthenticated, all and for each address. */
  unauthenticatedMax: 200,
  unauthenticatedEachMax: 50,
  /** Messages of one client that wait for the one before. */
  messagesWaitingMax: 16,
  subscriptionsEachMinute: 60,
  /** Subscriptions that read from the database at once; the rest of the pool is the API's. */
  readsMax: 4,
  /** Of these, for one merchant. */
  readsEachMax: 2,
} as const satisfies Record<string, number>;
export type LiveSettings = Readonly<Record<keyof typeof LIVE_SETTINGS, number>>;

export type LiveCaller = Exclude<Caller, { readonly kind: 'open' }>;

/** Null for a token that gives no access here. @throws Error while the database is unavailable. */
export async function findLiveCaller(
  deps: Pick<ApiDeps, 'pool' | 'environment' | 'accessTokens'>,
  token: string,
): Promise<LiveCaller | null> {
  const merchant = await readApiKey(deps, token);
  if (merchant !== null) {
    return merchant.scopes.includes(LIVE_ACCESS.merchant.scope) ? merchant : null;
  }
  const operator = await readAccessToken(deps, token);
  return operator !== null && covers(operator.role, LIVE_ACCESS.operator.role) ? operator : null;
}

/** As over HTTP. @throws ApiError rate_limited */
export async function countWrongToken(deps: ApiDeps, address: string): Promise<void> {
  await requireRate(deps, 'refused', subjectOf(address));
  await requireSiteRate(deps, 'refused', address);
}

/** Finds the connections whose token gives no access any more. */
export function startRechecks<
  Connection extends { readonly token: string; readonly merchantId: string | null },
>(
  deps: ApiDeps,
  { recheckMs }: LiveSettings,
  connections: ReadonlySet<Connection>,
  onAccessLost: (connection: Connection) => void,
) {
  const check = async (chosen: Iterable<Connection>) => {
    let unchecked = 0;
    let err: unknown = null;
    for (const [token, same] of Map.groupBy(chosen, (connection) => connection.token)) {
      // While nobody can tell, such as with an unavailable issuer, connections stay open.
      const caller = await findLiveCaller(deps, token).catch((error: unknown) => {
        unchecked += same.length;
        err = error;
        return 'unknown' as const;
      });
      if (caller === null) same.forEach(onAccessLost);
    }
    // One line a round: while the database is unavailable, thousands would fail in the same way.
    if (unchecked > 0)
      deps.log.warn({ clients: unchecked, err }, 'live clients were not rechecked');
  };
  let isChecking = false;
  const timer = setInterval(() => {
    if (isChecking) return;
    isChecking = true;
    void check(connections).finally(() => {
      isChecking = false;
    });
  }, recheckMs);
  return {
    timer,
    ofMerchant(merchantId: string) {
      void check([...connections].filter((connection) => connection.merchantId === merchantId));
    },
  };
}

/** The result of an upgrade request: a problem instead of a handshake, a close, or a client. */
export type Admission =
  | { readonly kind: 'refused'; readonly problem: ApiError }
  | { readonly kind: 'closed'; readonly why: 'unauthorized' | 'draining' }
  | { readonly kind: 'authenticated'; readonly caller: LiveCaller; readonly token: string }
  /** Its first message has to authenticate it. */
  | { readonly kind: 'unauthenticated'; readonly address: string; readonly slot: Slot };

/** Limits of authenticated connections are checked when these are registered. */
export function createAdmission(deps: ApiDeps, settings: LiveSettings) {
  const takeSlot = limitUnauthenticated(settings);
  const admit = async (request: IncomingMessage, socket: Duplex): Promise<Admission> => {
    requireHost(request);
    const url = URL.parse(request.url ?? '', 'http://localhost');
    if (url === null) throw new ApiError('malformed_request', 'the path cannot be read');
    if (url.pathname !== LIVE_ACCESS.path) {
      throw new ApiError('not_found', `only ${LIVE_ACCESS.path} takes WebSocket connections`);
    }
    const address = addressOf(request, deps.trustedProxies);
    await requireRate(deps, 'address', subjectOf(address));
    if (deps.isDraining()) throw noCapacity();
    const [, token] = /^Bearer (\S{1,4000})$/.exec(request.headers.authorization ?? '') ?? [];
    if (token === undefined) {
      return { kind: 'unauthenticated', address, slot: takeSlot(subjectOf(address), socket) };
    }
    const caller = await findLiveCaller(deps, token);
    if (caller !== null) return { kind: 'authenticated', caller, token };
    await countWrongToken(deps, address);
    return { kind: 'closed', why: 'unauthorized' };
  };
  return (request: IncomingMessage, socket: Duplex): Promise<Admission> =>
    admit(request, socket).catch((error: unknown) => {
      if (error instanceof ApiError) return { kind: 'refused', problem: error };
      deps.log.warn({ err: error }, 'a live connection could not be authenticated');
      return { kind: 'closed', why: 'draining' };
    });
}

function noCapacity(): ApiError {
  return new ApiError('temporarily_unavailable', 'no more connections are accepted here now');
}

/** What an unauthenticated connection takes of the limit. */
type Slot = {
  /** Its token is being checked: from now on it cannot be replaced. */
  keep(): void;
  release(): void;
};

/**
 * Each address has few slots. When all slots are taken, the oldest connection that has sent no
 * token is replaced: honest clients authenticate at once, so silent ones keep nobody out.
 */
function limitUnauthenticated(settings: LiveSettings) {
  const { unauthenticatedMax, unauthenticatedEachMax, authenticateMs } = settings;
  const byAddress = new Map<string, number>();
  /** In the order they came; each with what replaces it. */
  const replaceable = new Map<Slot, () => void>();
  let taken = 0;
  /** @throws ApiError when no slot is free. */
  return (address: string, socket: Duplex): Slot => {
    const before = byAddress.get(address) ?? 0;
    if (before >= unauthenticatedEachMax) {
      const detail = 'this address has too many unauthenticated connections';
      throw new ApiError('rate_limited', detail, [], Math.ceil(authenticateMs / 1000));
    }
    if (taken >= unauthenticatedMax) {
      const [replaceOldest] = replaceable.values();
      if (replaceOldest === undefined) throw noCapacity();
      replaceOldest();
    }
    let isTaken = true;
    const slot: Slot = {
      keep: () => void replaceable.delete(slot),
      release() {
        if (!isTaken) return;
        isTaken = false;
        taken -= 1;
        replaceable.delete(slot);
        const left = (byAddress.get(address) ?? 1) - 1;
        if (left === 0) byAddress.delete(address);
        else byAddress.set(address, left);
      },
    };
    taken += 1;
    byAddress.set(address, (byAddress.get(address) ?? 0) + 1);
    replaceable.set(slot, () => {
      slot.release();
      socket.destroy();
    });
    socket.once('close', () => slot.release());
    return slot;
  };
}
