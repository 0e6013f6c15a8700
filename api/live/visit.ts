import type { WebSocket } from 'ws';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { findLiveCaller, type LiveCaller } from './caller.ts';
import { type Admission, countGuess } from './entrance.ts';
import { end, type Message, readMessage } from './messages.ts';
import { findRefusal } from './places.ts';
import { Session, type SessionParts } from './session.ts';
import { openLine } from './turns.ts';

/** What all visits of one process share. */
export type Hall = SessionParts & { readonly deps: ApiDeps; readonly sessions: Set<Session> };

type Visit = {
  readonly socket: WebSocket;
  readonly tooLate: NodeJS.Timeout;
  session: Session | null;
};
type Stranger = Extract<Admission, { readonly kind: 'stranger' }>;
type Heard = { readonly message: Message; readonly ticket: number | null };

/** From a client's first word to its last. */
export function attend(
  hall: Hall,
  socket: WebSocket,
  admission: Exclude<Admission, { readonly kind: 'refused' }>,
): void {
  // The library closes by itself what breaks the protocol, and says why: 1002, 1007 or 1009.
  socket.on('error', () => undefined);
  if (admission.kind === 'closed') {
    end(socket, admission.why);
    return;
  }
  const { authenticateMs, messagesWaitingMax } = hall.settings;
  const tooLate = setTimeout(() => end(socket, 'unauthorized'), authenticateMs);
  const visit: Visit = { socket, tooLate, session: null };
  if (admission.kind === 'known') welcome(hall, visit, admission.caller, admission.token);
  const stranger = admission.kind === 'stranger' ? admission : null;
  // One at a time: a thousand subscriptions at once would be a thousand questions.
  const line = openLine<Heard>(
    messagesWaitingMax,
    (heard) => answer(hall, visit, stranger, heard),
    (error) => {
      hall.deps.log.warn({ err: error }, 'a live client could not be answered');
      end(socket, 'draining');
    },
  );
  socket.on('message', (data) => {
    const message = readMessage(Buffer.isBuffer(data) ? data.toString() : '');
    if (message === null) return end(socket, 'malformed');
    // Taken now and not in its turn, so that what runs gives way.
    const ticket = message.type === 'subscribe' ? (visit.session?.takeTicket() ?? null) : null;
    if (!line({ message, ticket })) end(socket, 'too_many');
  });
  socket.on('close', () => {
    clearTimeout(tooLate);
    if (visit.session === null) return;
    visit.session.leave();
    hall.sessions.delete(visit.session);
  });
}

async function answer(
  hall: Hall,
  visit: Visit,
  stranger: Stranger | null,
  { message, ticket }: Heard,
): Promise<void> {
  const { socket, session } = visit;
  if (socket.readyState !== socket.OPEN) return;
  if (message.type === 'authenticate') {
    if (session === null && stranger !== null) {
      await introduce(hall, visit, stranger, message.token);
    }
    return;
  }
  if (session === null) return end(socket, 'unauthorized');
  const taken = ticket ?? session.takeTicket();
  if (taken === null) return end(socket, 'too_many');
  await session.subscribe(message, taken);
}

/** Guesses are counted by address, as they are over HTTP. */
async function introduce(
  hall: Hall,
  visit: Visit,
  { address, place }: Stranger,
  token: string,
): Promise<void> {
  clearTimeout(visit.tooLate);
  place.hold();
  const caller = await findLiveCaller(hall.deps, token);
  place.leave();
  if (caller !== null) return welcome(hall, visit, caller, token);
  const isGuessing = await countGuess(hall.deps, address).then(
    () => false,
    (error: unknown) => {
      if (error instanceof ApiError) return true;
      throw error;
    },
  );
  end(visit.socket, isGuessing ? 'too_many' : 'unauthorized');
}

function welcome(hall: Hall, visit: Visit, caller: LiveCaller, token: string): void {
  const { socket, tooLate } = visit;
  clearTimeout(tooLate);
  if (socket.readyState !== socket.OPEN) return;
  const session = new Session(socket, caller, token, hall);
  const refusal = findRefusal(hall.sessions, session, hall.settings);
  if (refusal !== null) {
    session.leave();
    end(socket, refusal);
    return;
  }
  visit.session = session;
  hall.sessions.add(session);
  session.send({ type: 'welcome' });
}
