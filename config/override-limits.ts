import type { PolicyFault } from './policies.ts';

type Limit = { readonly min: number; readonly max: number };

const SECOND_MS = 1_000;
const HOUR_MS = 3_600 * SECOND_MS;
const DAY_MS = 24 * HOUR_MS;

/**
 * What a merchant may choose in its policy_override, by field; `*` stands for every entry of a list
 * or table, `$` for the last one of a list, which repeats. All merchants share the provider's queue
 * and its rate limit, so none may ask without a pause; and whatever is waited for has an end. The
 * deployment's own file may go further.
 */
// table
const LIMITS: Readonly<Record<string, Limit>> = {
  'charge.timeout_ms': { min: SECOND_MS, max: 60 * SECOND_MS },
  'charge.deadline_ms': { min: SECOND_MS, max: HOUR_MS },
  'charge.accept_within_ms': { min: 60 * SECOND_MS, max: DAY_MS },
  'charge.max_sends': { min: 1, max: 10 },
  'charge.resend_after_ms.*': { min: 500, max: HOUR_MS },
  callback_wait_ms: { min: 100, max: DAY_MS },
  'lookup.timeout_ms': { min: SECOND_MS, max: 60 * SECOND_MS },
  'lookup.poll_interval_ms.*': { min: 2 * SECOND_MS, max: HOUR_MS },
  'lookup.poll_interval_ms.$': { min: 10 * SECOND_MS, max: HOUR_MS },
  'lookup.window_ms': { min: 10 * SECOND_MS, max: HOUR_MS },
  'lookup.prompt_life_ms': { min: SECOND_MS, max: HOUR_MS },
  'review.poll_interval_ms.*': { min: 60 * SECOND_MS, max: 30 * DAY_MS },
  'payer_action.expires_after_ms': { min: 60 * SECOND_MS, max: 7 * DAY_MS },
  'authorization.expires_after_ms': { min: 60 * SECOND_MS, max: 30 * DAY_MS },
  'refund.timeout_ms': { min: SECOND_MS, max: 60 * SECOND_MS },
  'refund.deadline_ms': { min: SECOND_MS, max: HOUR_MS },
  'refund.accept_within_ms': { min: 60 * SECOND_MS, max: DAY_MS },
  'refund.max_sends': { min: 1, max: 10 },
  'refund.resend_after_ms.*': { min: 500, max: HOUR_MS },
  'refund.result_wait_ms': { min: 10 * SECOND_MS, max: 7 * DAY_MS },
  'refund.poll_interval_ms.*': { min: 2 * SECOND_MS, max: DAY_MS },
  'refund.poll_interval_ms.$': { min: 10 * SECOND_MS, max: DAY_MS },
  'retry.by_code.*.after_ms': { min: 500, max: 30 * DAY_MS },
  'retry.by_provider_code.*.after_ms': { min: 500, max: 30 * DAY_MS },
  'reattempt.max_attempts': { min: 1, max: 5 },
  'look_back_after_ms.*': { min: 60 * SECOND_MS, max: 30 * DAY_MS },
  confirm_callback_from_minor: { min: 0, max: 1_000_000_000_000 },
};

/** An override is copied into the row and the history of every payment. */
const SIZE_MAX_BYTES = 4_096;
// table
const ENTRIES_MAX: Readonly<Record<string, number>> = {
  'lookup.soft_codes': 20,
  'retry.by_code': 50,
  'retry.by_provider_code': 50,
};

/** What of an override is out of bounds, with the place of each. */
export function faultsOfOverride(over: Readonly<Record<string, unknown>>): readonly PolicyFault[] {
  const bytes = Buffer.byteLength(JSON.stringify(over));
  const size = `must take at most ${SIZE_MAX_BYTES} bytes of JSON, and takes ${bytes}`;
  const byPlace = new Map<string, PolicyFault>();
  for (const { path, value, limit } of numbersIn(over)) {
    const { min, max } = limit;
    const fault = { path, detail: `must be ${min} to ${max}` };
    // The last entry of a list has two limits; the later one is the narrower.
    if (value < min || value > max) byPlace.set(JSON.stringify(path), fault);
  }
  return [
    ...(bytes > SIZE_MAX_BYTES ? [{ path: [], detail: size }] : []),
    ...byPlace.values(),
    ...listsIn(over).flatMap(({ path, value, most }) =>
      Object.keys(value).length > most
        ? [{ path, detail: `must have at most ${most} entries` }]
        : [],
    ),
  ];
}

/** An override that was stored before a limit was set, brought within it. */
export function withinLimits(over: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const copy = structuredClone(over);
  for (const { path, limit } of numbersIn(over)) {
    change(copy, path, (value) =>
      typeof value === 'number' ? Math.min(Math.max(value, limit.min), limit.max) : value,
    );
  }
  for (const { path, most } of listsIn(over)) change(copy, path, (value) => cut(value, most));
  return copy;
}

function change(
  document: Record<string, unknown>,
  path: readonly string[],
  by: (value: unknown) => unknown,
): void {
  const key = path.at(-1) ?? '';
  const place = path.slice(0, -1).reduce<unknown>(entryAt, document);
  if (isTable(place)) place[key] = by(place[key]);
}

function cut(value: unknown, most: number): unknown {
  if (Array.isArray(value)) return value.slice(0, most);
  return isTable(value) ? Object.fromEntries(Object.entries(value).slice(0, most)) : value;
}

type Found = { readonly path: readonly string[]; readonly value: number; readonly limit: Limit };

/** Every number that has a limit, in a document of which nothing is checked yet. */
function numbersIn(document: unknown): readonly Found[] {
  return Object.entries(LIMITS).flatMap(([pattern, limit]) =>
    pathsOf(document, pattern.split('.')).flatMap(({ path, value }) =>
      typeof value === 'number' ? [{ path, value, limit }] : [],
    ),
  );
}

function listsIn(document: unknown) {
  return Object.entries(ENTRIES_MAX).flatMap(([pattern, most]) =>
    pathsOf(document, pattern.split('.')).flatMap(({ path, value }) =>
      isTable(value) ? [{ path, value, most }] : [],
    ),
  );
}

type Place = { readonly path: readonly string[]; readonly value: unknown };

function pathsOf(value: unknown, [step, ...rest]: readonly string[]): readonly Place[] {
  if (step === undefined) return [{ path: [], value }];
  if (!isTable(value)) return [];
  return keysAt(value, step).flatMap((key) =>
    pathsOf(value[key], rest).map((found) => ({ ...found, path: [key, ...found.path] })),
  );
}

function keysAt(table: Record<string, unknown>, step: string): readonly string[] {
  const keys = Object.keys(table);
  if (step === '*') return keys;
  if (step === '$') return Array.isArray(table) ? keys.slice(-1) : [];
  return keys.filter((key) => key === step);
}

function entryAt(place: unknown, key: string): unknown {
  return isTable(place) ? place[key] : undefined;
}

/** Objects and lists alike. */
function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
