import { endWithin } from '../temporal/within.ts';
import type { ApiDeps } from './deps.ts';
import { ApiError } from './errors.ts';
import type { Incoming } from './operation.ts';

/** How long one request may take whose operation waits for a workflow (`isWaiting`). */
export type AnswerTime = {
  /** How long its workflow may still be waited for. */
  waitMs(): number;
  /**
   * The result of what has to be done before there is anything to answer.
   * @throws ApiError temporarily_unavailable when the time is over; the work goes on.
   */
  orUnavailable<T>(work: Promise<T>): Promise<T>;
  /** The result of what would be good to know; what is known already when the time is over. */
  orElse<T>(work: Promise<T>, known: T): Promise<T>;
  /** The headers that say which of the caller's preferences counted. */
  readonly headers: Readonly<Record<string, string>>;
};

/** Of the time, this is kept for reading and sending the answer; of a short one, a tenth. */
const ANSWER_MS = 500;

/**
 * The figure that the reference tells, `api.start_wait_ms`, from the request's arrival on: also
 * what the database took counts. `Prefer: wait` (RFC 7240) makes the wait shorter and never longer,
 * `respond-async` leaves it out.
 */
export function answerTimeOf(
  { policies }: Pick<ApiDeps, 'policies'>,
  { arrivedMs, headers }: Pick<Incoming, 'arrivedMs' | 'headers'>,
  nowMs = () => performance.now(),
): AnswerTime {
  const figureMs = policies.api.start_wait_ms;
  const { waitS, applied } = readPreference(headers.prefer);
  const limitMs = Math.min(figureMs, waitS === null ? figureMs : waitS * 1000);
  const untilMs = (sinceArrivalMs: number) => Math.max(0, arrivedMs + sinceArrivalMs - nowMs());
  return {
    waitMs: () => untilMs(limitMs - Math.min(ANSWER_MS, limitMs / 10)),
    orUnavailable: (work) =>
      endWithin(untilMs(figureMs), work, () => {
        const detail =
          'the database takes too long; repeat the request with the same Idempotency-Key';
        throw new ApiError('temporarily_unavailable', detail);
      }),
    orElse: (work, known) => endWithin(untilMs(figureMs), work, () => known),
    headers: applied === '' ? {} : { 'Preference-Applied': applied },
  };
}

/** One preference: a token and its value, bare or quoted; parameters behind it are not ours. */
const PREFERENCE = /^([\w!#$%&'*+.^`|~-]+)\s*(?:=\s*(?:"([^"]*)"|([^\s;"]*)))?\s*(?:;.*)?$/;

/** Of each the first counts, and what is malformed or unknown is ignored (RFC 7240, 2). */
function readPreference(header: string | readonly string[] | undefined) {
  const given = new Map<string, string>();
  for (const part of String(header ?? '').split(',')) {
    const [, name = '', quoted, bare] = PREFERENCE.exec(part.trim()) ?? [];
    const known = name.toLowerCase();
    if (!given.has(known)) given.set(known, quoted ?? bare ?? '');
  }
  const isAsync = given.get('respond-async') === '';
  const wait = given.get('wait') ?? '';
  const waitS = /^\d{1,9}$/.test(wait) ? Number(wait) : null;
  const applied = [isAsync ? 'respond-async' : '', waitS === null ? '' : `wait=${waitS}`];
  return {
    waitS: waitS ?? (isAsync ? 0 : null),
    applied: applied.filter((it) => it !== '').join(', '),
  };
}
