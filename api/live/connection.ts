import type { WebSocket } from 'ws';
import { z } from 'zod';
import {
  findLatestCursor,
  isEventCursor,
  listEvents,
  type OutgoingEvent,
} from '../../db/outgoing-events.ts';
import { isId } from '../../domain/id.ts';
import type { ApiDeps } from '../deps.ts';
import { presentEvent } from '../events/present.ts';
import type { LiveCaller, LiveSettings } from './authenticate.ts';
import { type Feed, isAfter, type Semaphore } from './feed.ts';

const PAGE = 200;
/** What may wait in memory for a client that does not read, and one event more. */
const UNREAD_BYTES_MAX = 256 * 1024;
const MINUTE_MS = 60_000;
const TIMER_MAX_MS = 2 ** 31 - 1;

/** Why a connection is closed; beyond 4000 the codes are ours. */
const CLOSE = {
  // table
  draining: { code: 1001, reason: 'this process ends: connect again' },
  full: { code: 1013, reason: 'this process has no free connection: connect again later' },
  malformed: { code: 4400, reason: 'send JSON: {"type":"subscribe"}' },
  unauthorized: { code: 4401, reason: 'a valid key with payments:read, or an access token' },
  too_slow: {
    code: 4408,
    reason: 'you read nothing for long: connect again with your last cursor',
  },
  too_many: { code: 4429, reason: 'too many connections, subscriptions or tries' },
} as const satisfies Record<string, { code: number; reason: string }>;
type CloseReason = keyof typeof CLOSE;

/** Who does not answer the close is cut off after `closeMs`. */
export function close(socket: WebSocket, why: CloseReason): void {
  socket.close(CLOSE[why].code, CLOSE[why].reason);
}

const message = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('authenticate'), token: z.string().max(4_000) }),
  z.strictObject({
    type: z.literal('subscribe'),
    payment_id: z
      .string()
      .refine((it) => isId('payment', it))
      .optional(),
    after: z.string().refine(isEventCursor).optional(),
  }),
]);
export type Message = z.output<typeof message>;
type Subscribe = Extract<Message, { readonly type: 'subscribe' }>;

/** Null for what is no message of ours. */
export function readMessage(text: string): Message | null {
  try {
    return message.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

/** An event as it is sent, made once for all who receive it. */
export function encodeEvent(event: OutgoingEvent): string {
  return JSON.stringify({ type: 'event', event: presentEvent(event) });
}

/** What the connections of one process share. */
export type ConnectionParts = {
  readonly deps: ApiDeps;
  readonly feed: Feed;
  readonly settings: LiveSettings;
  /** Limits the reads of a merchant; all operators share one limit. */
  readonly readsOf: (owner: string) => Semaphore;
};

/** An authenticated client: which events it may see, and the cursor of the last one sent. */
export class Connection {
  readonly socket: WebSocket;
  readonly merchantId: string | null;
  /** The merchant, or the operator. */
  readonly owner: string;
  /** Checked again and again, whether it is still valid. */
  readonly token: string;
  readonly #parts: ConnectionParts;
  readonly #reads: Semaphore;
  readonly #expiry: NodeJS.Timeout | undefined;
  #paymentId: string | null = null;
  /** Null until the subscription has caught up. */
  #cursor: string | null = null;
  /** The number of the newest subscription; an older one ends. */
  #subscription = 0;
  #minute = { beganMs: 0, subscriptions: 0 };

  constructor(socket: WebSocket, caller: LiveCaller, token: string, parts: ConnectionParts) {
    this.socket = socket;
    this.merchantId = caller.kind === 'merchant' ? caller.merchantId : null;
    this.owner = caller.kind === 'merchant' ? caller.merchantId : caller.operatorId;
    this.token = token;
    this.#parts = parts;
    this.#reads = parts.readsOf(this.merchantId ?? 'operators');
    this.#expiry = caller.expiresAtMs === null ? undefined : this.#closeAt(caller.expiresAtMs);
  }

  onClosed(): void {
    clearTimeout(this.#expiry);
  }

  /** Ends the subscription before. @returns its number; null when there were too many. */
  openSubscription(): number | null {
    this.#subscription += 1;
    this.#cursor = null;
    const nowMs = performance.now();
    if (nowMs - this.#minute.beganMs >= MINUTE_MS) {
      this.#minute = { beganMs: nowMs, subscriptions: 0 };
    }
    this.#minute.subscriptions += 1;
    const isTooMany = this.#minute.subscriptions > this.#parts.settings.subscriptionsEachMinute;
    return isTooMany ? null : this.#subscription;
  }

  /** Sends events after a cursor without a gap, or from now on, until the next subscription. */
  async subscribe({ after, payment_id }: Subscribe, subscription: number): Promise<void> {
    const { deps, feed } = this.#parts;
    if (this.#isOver(subscription)) return;
    // Before the feed has begun, events that happen while this client catches up would be missed.
    await feed.begun;
    const cursor = after ?? (await this.#reads(() => findLatestCursor(deps.pool)));
    if (this.#isOver(subscription)) return;
    this.#paymentId = payment_id ?? null;
    this.send({ type: 'subscribed', cursor });
    await this.#catchUp(cursor, subscription);
  }

  async #catchUp(after: string, subscription: number): Promise<void> {
    const { feed } = this.#parts;
    for (let cursor = after; ; ) {
      await this.#untilRead();
      const { feedBefore, events } = await this.#read(cursor, subscription);
      if (this.#isOver(subscription)) return;
      // Events that the feed published since that read began may be missing in it. To check that
      // and to go live is one step: between two steps an event could be published unseen.
      if (events.length === 0 && feed.cursor() === feedBefore) {
        this.#cursor = cursor;
        return;
      }
      for (const event of events) {
        if (this.#hasMuchUnread()) break;
        this.socket.send(encodeEvent(event));
        cursor = event.cursor;
      }
    }
  }

  #read(after: string, subscription: number) {
    const { deps, feed } = this.#parts;
    const page = { merchantId: this.merchantId, paymentId: this.#paymentId, after, limit: PAGE };
    return this.#reads(async () => ({
      feedBefore: feed.cursor(),
      events: this.#isOver(subscription) ? [] : await listEvents(deps.pool, page),
    }));
  }

  /** What the client has not read yet waits in the database and not in memory. */
  async #untilRead(): Promise<void> {
    if (!this.#hasMuchUnread()) return;
    const { stallMs } = this.#parts.settings;
    const stalled = setTimeout(() => close(this.socket, 'too_slow'), stallMs);
    // A frame is written after all before it; the callback also runs where it cannot be written.
    await new Promise<void>((resolve) => this.socket.ping(undefined, undefined, () => resolve()));
    clearTimeout(stalled);
  }

  #hasMuchUnread(): boolean {
    return this.socket.bufferedAmount > UNREAD_BYTES_MAX;
  }

  #isOver(subscription: number): boolean {
    return subscription !== this.#subscription || this.socket.readyState !== this.socket.OPEN;
  }

  /** Sends a new event, once, if it belongs to this subscription. @param encoded the event. */
  publish(event: OutgoingEvent, encoded: string): void {
    const isVisible = this.merchantId === null || event.merchant_id === this.merchantId;
    const isChosen = this.#paymentId === null || event.payment_id === this.#paymentId;
    const cursor = this.#cursor;
    if (!isVisible || !isChosen || cursor === null || !isAfter(event.cursor, cursor)) return;
    if (this.#hasMuchUnread()) {
      this.#readFromDatabase(cursor);
      return;
    }
    this.#cursor = event.cursor;
    this.socket.send(encoded);
  }

  /** Goes on at the pace of the client. */
  #readFromDatabase(cursor: string): void {
    this.#cursor = null;
    this.#catchUp(cursor, this.#subscription).catch((error: unknown) => {
      this.#parts.deps.log.warn({ err: error }, 'a live client could not catch up');
      close(this.socket, 'draining');
    });
  }

  send(answer: object): void {
    if (this.socket.readyState === this.socket.OPEN) this.socket.send(JSON.stringify(answer));
  }

  /** An expiry beyond the reach of timers is found when the token is checked again. */
  #closeAt(expiresAtMs: number): NodeJS.Timeout | undefined {
    const leftMs = expiresAtMs - Date.now();
    if (leftMs > TIMER_MAX_MS) return undefined;
    return setTimeout(() => close(this.socket, 'unauthorized'), leftMs);
  }
}

/** Which limit leaves no room for one more connection; null where there is room. */
export function findLimit(
  { merchantId, owner }: Connection,
  connections: ReadonlySet<Connection>,
  settings: LiveSettings,
): CloseReason | null {
  const isOperator = merchantId === null;
  const [allMax, eachMax] = isOperator
    ? [settings.operatorConnectionsMax, settings.operatorConnectionsEachMax]
    : [settings.merchantConnectionsMax, settings.connectionsEachMax];
  const kind = [...connections].filter((it) => (it.merchantId === null) === isOperator);
  if (kind.filter((it) => it.owner === owner).length >= eachMax) return 'too_many';
  return kind.length >= allMax ? 'full' : null;
}
