import type { WebSocket } from 'ws';
import type { Log } from '../../config/log.ts';
import { findLatestCursor, listEvents, type OutgoingEvent } from '../../db/outgoing-events.ts';
import type { Pool } from '../../db/pool.ts';
import { presentEvent } from '../events/present.ts';
import type { LiveCaller } from './caller.ts';
import { type Feed, isAfter } from './feed.ts';
import { end, type Subscription } from './messages.ts';
import type { LiveSettings } from './settings.ts';
import type { Turns } from './turns.ts';

const PAGE = 200;
/** What may wait in memory for a client that does not read, and one event more. */
const UNREAD_BYTES_MAX = 256 * 1024;
const MINUTE_MS = 60_000;
const TIMER_MAX_MS = 2 ** 31 - 1;

/** What sessions of one process share. */
export type SessionParts = {
  readonly pool: Pool;
  readonly feed: Feed;
  readonly settings: LiveSettings;
  readonly log: Log;
  /** By merchant; operators are one party. */
  readonly readsOf: (party: string) => Turns;
};

/** An event as it is sent, made once for all who hear it. */
export function tellEvent(event: OutgoingEvent): string {
  return JSON.stringify({ type: 'event', event: presentEvent(event) });
}

/** One connected client: what it may see, and up to where it has seen it. */
export class Session {
  readonly socket: WebSocket;
  readonly merchantId: string | null;
  /** Whose it is: a merchant, or one operator. */
  readonly party: string;
  /** What it came in with; it is asked for again and again whether it still opens. */
  readonly token: string;
  readonly #parts: SessionParts;
  readonly #reads: Turns;
  readonly #expiry: NodeJS.Timeout | undefined;
  #paymentId: string | null = null;
  /** Null until it is subscribed and has caught up. */
  #cursor: string | null = null;
  #ticket = 0;
  #minute = { beganMs: 0, taken: 0 };

  constructor(socket: WebSocket, caller: LiveCaller, token: string, parts: SessionParts) {
    this.socket = socket;
    this.merchantId = caller.kind === 'merchant' ? caller.merchantId : null;
    this.party = caller.kind === 'merchant' ? caller.merchantId : caller.operatorId;
    this.token = token;
    this.#parts = parts;
    this.#reads = parts.readsOf(this.merchantId ?? 'operators');
    this.#expiry = caller.expiresAtMs === null ? undefined : this.#endAt(caller.expiresAtMs);
  }

  /** The client has gone. */
  leave(): void {
    clearTimeout(this.#expiry);
  }

  /** For one more subscription: what runs for the last gives way. Null when it asks too often. */
  takeTicket(): number | null {
    this.#ticket += 1;
    this.#cursor = null;
    const nowMs = performance.now();
    if (nowMs - this.#minute.beganMs >= MINUTE_MS) this.#minute = { beganMs: nowMs, taken: 0 };
    this.#minute.taken += 1;
    const isTooOften = this.#minute.taken > this.#parts.settings.subscriptionsEachMinute;
    return isTooOften ? null : this.#ticket;
  }

  /** Goes on from a place without a gap, or from now, until the next ticket is taken. */
  async subscribe(wish: Subscription, ticket: number): Promise<void> {
    const { pool, feed } = this.#parts;
    if (this.#isOver(ticket)) return;
    // Before the feed began, nobody would tell of what happens while this client catches up.
    await feed.begun;
    const cursor = wish.after ?? (await this.#reads(() => findLatestCursor(pool)));
    if (this.#isOver(ticket)) return;
    this.#paymentId = wish.payment_id ?? null;
    this.send({ type: 'subscribed', cursor });
    await this.#catchUp(cursor, ticket);
  }

  async #catchUp(after: string, ticket: number): Promise<void> {
    const { feed } = this.#parts;
    for (let cursor = after; ; ) {
      await this.#untilRead();
      const { feedBefore, events } = await this.#read(cursor, ticket);
      if (this.#isOver(ticket)) return;
      // What the feed handed out since that read began might not have been in it. To look at that
      // and to go live is one step: between two steps something could be handed out unseen.
      if (events.length === 0 && feed.cursor() === feedBefore) {
        this.#cursor = cursor;
        return;
      }
      for (const event of events) {
        if (this.#hasMuchUnread()) break;
        this.socket.send(tellEvent(event));
        cursor = event.cursor;
      }
    }
  }

  #read(after: string, ticket: number) {
    const { pool, feed } = this.#parts;
    const asked = { merchantId: this.merchantId, paymentId: this.#paymentId, after, limit: PAGE };
    return this.#reads(async () => ({
      feedBefore: feed.cursor(),
      events: this.#isOver(ticket) ? [] : await listEvents(pool, asked),
    }));
  }

  /** What it does not read yet waits in the database and not in memory. */
  async #untilRead(): Promise<void> {
    if (!this.#hasMuchUnread()) return;
    const stalled = setTimeout(() => end(this.socket, 'too_slow'), this.#parts.settings.stallMs);
    // A frame is written after all before it; where it cannot be, this is told as well.
    await new Promise<void>((resolve) => this.socket.ping(undefined, undefined, () => resolve()));
    clearTimeout(stalled);
  }

  #hasMuchUnread(): boolean {
    return this.socket.bufferedAmount > UNREAD_BYTES_MAX;
  }

  #isOver(ticket: number): boolean {
    return ticket !== this.#ticket || this.socket.readyState !== this.socket.OPEN;
  }

  /** Tells of an event, once, if it is one of this client's. @param told by {@link tellEvent}. */
  offer(event: OutgoingEvent, told: string): void {
    const isIts = this.merchantId === null || event.merchant_id === this.merchantId;
    const isAbout = this.#paymentId === null || event.payment_id === this.#paymentId;
    const cursor = this.#cursor;
    if (!isIts || !isAbout || cursor === null || !isAfter(event.cursor, cursor)) return;
    if (this.#hasMuchUnread()) {
      this.#fallBehind(cursor);
      return;
    }
    this.#cursor = event.cursor;
    this.socket.send(told);
  }

  /** Goes on from the database, at the pace that the client reads. */
  #fallBehind(cursor: string): void {
    this.#cursor = null;
    this.#catchUp(cursor, this.#ticket).catch((error: unknown) => {
      this.#parts.log.warn({ err: error }, 'a live client could not catch up');
      end(this.socket, 'draining');
    });
  }

  send(told: object): void {
    if (this.socket.readyState === this.socket.OPEN) this.socket.send(JSON.stringify(told));
  }

  /** A key that is good for longer than timers reach ends by being asked for again. */
  #endAt(expiresAtMs: number): NodeJS.Timeout | undefined {
    const leftMs = expiresAtMs - Date.now();
    if (leftMs > TIMER_MAX_MS) return undefined;
    return setTimeout(() => end(this.socket, 'unauthorized'), leftMs);
  }
}
