import type { Duplex } from 'node:stream';
import type { CLOSE } from './messages.ts';
import type { Session } from './session.ts';
import type { LiveSettings } from './settings.ts';

/** Why there is no place for one more session; null where there is one. */
export function findRefusal(
  sessions: ReadonlySet<Session>,
  { merchantId, party }: Session,
  settings: LiveSettings,
): keyof typeof CLOSE | null {
  const isOperator = merchantId === null;
  const [allMax, eachMax] = isOperator
    ? [settings.operatorConnectionsMax, settings.operatorConnectionsEachMax]
    : [settings.merchantConnectionsMax, settings.connectionsEachMax];
  const kind = [...sessions].filter((it) => (it.merchantId === null) === isOperator);
  if (kind.filter((it) => it.party === party).length >= eachMax) return 'too_many';
  return kind.length >= allMax ? 'full' : null;
}

/** The place of a connection that has not said yet who it is. */
export type Place = {
  /** It has said something, which is being looked at: it need not make room any more. */
  hold(): void;
  leave(): void;
};

/** Where connections wait until they have said who they are. */
export type WaitingRoom = {
  /** @returns why there is no place, where there is none. */
  enter(address: string, socket: Duplex): Place | 'address_full' | 'full';
};

/**
 * One address has few places. When all are taken, who has been silent the longest makes room:
 * honest clients say who they are at once, so a crowd that says nothing keeps nobody out.
 */
export function openWaitingRoom({ strangersMax, strangersEachMax }: LiveSettings): WaitingRoom {
  const byAddress = new Map<string, number>();
  /** In the order they came; each with what ends it. */
  const silent = new Map<Place, () => void>();
  let taken = 0;
  return {
    enter(address, socket) {
      const before = byAddress.get(address) ?? 0;
      if (before >= strangersEachMax) return 'address_full';
      if (taken >= strangersMax) {
        const [longest] = silent.values();
        if (longest === undefined) return 'full';
        longest();
      }
      let isInside = true;
      const place: Place = {
        hold: () => void silent.delete(place),
        leave() {
          if (!isInside) return;
          isInside = false;
          taken -= 1;
          silent.delete(place);
          const left = (byAddress.get(address) ?? 1) - 1;
          if (left === 0) byAddress.delete(address);
          else byAddress.set(address, left);
        },
      };
      taken += 1;
      byAddress.set(address, (byAddress.get(address) ?? 0) + 1);
      silent.set(place, () => {
        place.leave();
        socket.destroy();
      });
      socket.once('close', () => place.leave());
      return place;
    },
  };
}
