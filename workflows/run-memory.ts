import type { PaymentInput, RecoveryInput } from '../domain/payment.ts';
import type { RecordRequest } from '../domain/payment-record.ts';
import type { PaymentStatus } from '../domain/payment-states.ts';
import type { Book } from './book.ts';
import { openUnclearNotes } from './unclear.ts';

/** What is known of the current attempt's sends. */
export function openSends(status: PaymentStatus) {
  let outSinceMs: number | null = null;
  let mayBeSent = false;
  let provenUnsent = 0;
  let afterMs: number | null = status === 'created' ? 0 : null;
  return {
    known: {
      isOut: () => outSinceMs !== null,
      outSinceMs: () => outSinceMs,
      mayBeSent: () => mayBeSent,
      setOut(isOut: boolean, mayNowBeSent = isOut) {
        outSinceMs = isOut ? (outSinceMs ?? Date.now()) : null;
        mayBeSent = mayNowBeSent;
        if (isOut) afterMs = null;
      },
      provenUnsent: () => provenUnsent,
      countUnsent() {
        provenUnsent += 1;
      },
      sendAfterMs: () => afterMs,
    },
    plan(pauseMs: number | null) {
      afterMs = pauseMs;
    },
    /** Of the next attempt. */
    begin() {
      outSinceMs = null;
      mayBeSent = false;
      provenUnsent = 0;
    },
  };
}

/** The provider's ids of the current attempt and of those before, and its unclear words of it. */
export function openIds({ standing }: PaymentInput) {
  let current = standing?.providerPaymentId ?? null;
  const earlier = new Set(standing?.earlierProviderIds);
  const unclear = openUnclearNotes();
  const ownerOf: Book['ownerOf'] = (id) => {
    if (id !== null && earlier.has(id)) return 'earlier';
    return id === null || current === null || id === current ? 'current' : 'unknown';
  };
  return {
    known: {
      providerPaymentId: () => current,
      earlierProviderIds: () => [...earlier],
      ownerOf,
      unclear,
    },
    learn(id: string | null) {
      current ??= id;
    },
    leave() {
      if (current !== null) earlier.add(current);
      current = null;
      unclear.forget();
    },
  };
}

/** Until when the payment said that it waits. */
export function openWait({ leftMs = null }: PaymentInput & Partial<Pick<RecoveryInput, 'leftMs'>>) {
  let untilMs = leftMs === null ? null : Date.now() + leftMs;
  return {
    leftMs: () => (untilMs === null ? null : Math.max(untilMs - Date.now(), 0)),
    /** A note without a wait changes none, and a pause only holds one up. */
    follow({ event, waitingFor, waitMs }: Pick<RecordRequest, 'event' | 'waitingFor' | 'waitMs'>) {
      const isKept = waitingFor === 'resume' || (event === null && waitingFor === null);
      if (!isKept) untilMs = waitMs === null ? null : Date.now() + waitMs;
    },
  };
}

/** What a run remembers beside where its payment stands. */
export function openMemory(): Pick<Book, 'confirmation' | 'noted' | 'numbered' | 'ordinals'> {
  const ordinals = { capture: 1, cancel: 1 };
  return { confirmation: null, noted: new Set(), numbered: openNumbers(), ordinals };
}

/** Numbers what was named before. */
export function openNumbers() {
  const counts = new Map<string, number>();
  return (key: string) => {
    const nth = (counts.get(key) ?? 0) + 1;
    counts.set(key, nth);
    return nth === 1 ? key : `${key}/${nth}`;
  };
}
