import type { WebSocket } from 'ws';
import { z } from 'zod';
import {
  findLatestCursor,
  isEventCursor,
  listEvents,
  type OutgoingEvent,
} from '../../db/outgoing-events.ts';
import type { Caller } from '../../domain/access.ts';
import { isId } from '../../domain/id.ts';
import type { ApiDeps } from '../deps.ts';
import { presentEvent } from '../events/present.ts';
import { type Feed, isAfter } from './feed.ts';

/** Why a connection is closed; beyond 4000 the codes are ours. */
export const CLOSE = {
  // table
  draining: { code: 1001, reason: 'this process ends: connect again' },
  malformed: { code: 4400, reason: 'send JSON: {"type":"subscribe"}' },
  unauthorized: { code: 4401, reason: 'a valid key with payments:read, or an access token' },
  too_slow: { code: 4408, reason: 'you read too slowly: connect again with your last cursor' },
  too_many: { code: 4429, reason: 'too many connections' },
} as const satisfies Record<string, { code: number; reason: string }>;

const PAGE = 200;
/** What may wait for a client that does not read, before it is let go. */
const BUFFER_BYTES_MAX = 1024 * 1024;

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

/** Null for what is no message of ours. */
export function readMessage(text: string): Message | null {
  try {
    return message.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

/** One connected client: what it may see, and up to where it has seen it. */
export class Session {
  readonly socket: WebSocket;
  readonly caller: Exclude<Caller, { kind: 'open' }>;
  #paymentId: string | null = null;
  /** Null until it is subscribed and has caught up. */
  #cursor: string | null = null;
  #subscription = 0;

  constructor(socket: WebSocket, caller: Session['caller']) {
    this.socket = socket;
    this.caller = caller;
  }

  get merchantId(): string | null {
    return this.caller.kind === 'merchant' ? this.caller.merchantId : null;
  }

  /** Goes on from a place without a gap, or from now. Another subscription takes its place. */
  async subscribe({ pool }: ApiDeps, feed: Feed, wish: Message & { type: 'subscribe' }) {
    this.#subscription += 1;
    const own = this.#subscription;
    this.#cursor = null;
    this.#paymentId = wish.payment_id ?? null;
    let cursor = wish.after ?? (await findLatestCursor(pool));
    if (own !== this.#subscription) return;
    this.send({ type: 'subscribed', cursor });
    for (let isBehind = true; isBehind; ) {
      const feedBefore = feed.cursor();
      const { merchantId } = this;
      const asked = { merchantId, paymentId: this.#paymentId, after: cursor, limit: PAGE };
      const events = await listEvents(pool, asked);
      if (own !== this.#subscription || this.socket.readyState !== this.socket.OPEN) return;
      for (const event of events) this.#tell(event);
      cursor = events.at(-1)?.cursor ?? cursor;
      // Events that the feed handed out during this read might not have been in it.
      isBehind = events.length > 0 || feed.cursor() !== feedBefore;
    }
    this.#cursor = cursor;
  }

  /** Tells of an event, once, if it is one of this client's. */
  offer(event: OutgoingEvent): void {
    const isIts = this.merchantId === null || event.merchant_id === this.merchantId;
    const isAbout = this.#paymentId === null || event.payment_id === this.#paymentId;
    if (!isIts || !isAbout || this.#cursor === null || !isAfter(event.cursor, this.#cursor)) return;
    this.#cursor = event.cursor;
    this.#tell(event);
  }

  #tell(event: OutgoingEvent): void {
    this.send({ type: 'event', event: presentEvent(event) });
  }

  send(told: object): void {
    if (this.socket.readyState !== this.socket.OPEN) return;
    if (this.socket.bufferedAmount > BUFFER_BYTES_MAX) {
      this.end('too_slow');
      // What it does not read would be kept until it does.
      this.socket.terminate();
      return;
    }
    this.socket.send(JSON.stringify(told));
  }

  end(why: keyof typeof CLOSE): void {
    this.socket.close(CLOSE[why].code, CLOSE[why].reason);
  }
}
