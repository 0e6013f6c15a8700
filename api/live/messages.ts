import type { WebSocket } from 'ws';
import { z } from 'zod';
import { isEventCursor } from '../../db/outgoing-events.ts';
import { isId } from '../../domain/id.ts';

/** Why a connection is closed; beyond 4000 the codes are ours. */
export const CLOSE = {
  // table
  draining: { code: 1001, reason: 'this process ends: connect again' },
  full: { code: 1013, reason: 'no place is free here now: connect again later' },
  malformed: { code: 4400, reason: 'send JSON: {"type":"subscribe"}' },
  unauthorized: { code: 4401, reason: 'a valid key with payments:read, or an access token' },
  too_slow: {
    code: 4408,
    reason: 'you read nothing for long: connect again with your last cursor',
  },
  too_many: { code: 4429, reason: 'too many connections, subscriptions or tries' },
} as const satisfies Record<string, { code: number; reason: string }>;

/** Says why and closes; who does not answer the close is cut off after `closeMs`. */
export function end(socket: WebSocket, why: keyof typeof CLOSE): void {
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
export type Subscription = Extract<Message, { readonly type: 'subscribe' }>;

/** Null for what is no message of ours. */
export function readMessage(text: string): Message | null {
  try {
    return message.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
