import type { WaitingFor } from '../domain/payment.ts';
import { sql } from './sql.ts';

type Step = {
  readonly event: string | null;
  readonly waitingFor: WaitingFor | null;
  readonly waitMs: number | null;
};

/**
 * What a payment or refund waits for after a step, and until when; nothing where it has ended. A
 * note that neither moves it nor names a wait leaves the wait as it is.
 */
export function waitAfter(
  isOver: boolean,
  known: WaitingFor | null,
  { event, waitingFor, waitMs }: Step,
) {
  if (isOver) return { for: null, until: sql.fragment`NULL` };
  if (event === null && waitingFor === null) return { for: known, until: sql.fragment`wait_until` };
  const until =
    waitMs === null
      ? sql.fragment`NULL`
      : sql.fragment`now() + ${waitMs} * interval '1 millisecond'`;
  return { for: waitingFor, until };
}
