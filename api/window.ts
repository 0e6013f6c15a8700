import { faulty } from './errors.ts';

const DAY_MS = 86_400_000;
const WINDOW_DAYS_MAX = 93;
/** For descriptions of what `readWindow` is used in. */
export const WINDOW_RULE = `A window of ${WINDOW_DAYS_MAX} days at most; the last seven days where none is given.`;

/**
 * The time that is asked about, for answers that read all of it.
 * @param fromName how the query calls its begin.
 * @throws ApiError invalid_request when it is too long.
 */
export function readWindow(
  fromName: string,
  asked: { readonly from: string | undefined; readonly before: string | undefined },
): { readonly from: string; readonly before: string } {
  const before = asked.before ?? new Date().toISOString();
  const from = asked.from ?? new Date(Date.parse(before) - 7 * DAY_MS).toISOString();
  if (Date.parse(before) - Date.parse(from) <= WINDOW_DAYS_MAX * DAY_MS) return { from, before };
  const detail = `must be within ${WINDOW_DAYS_MAX} days of the window’s end`;
  throw faulty('invalid_request', [{ pointer: `/${fromName}`, detail }]);
}
