type Limit = { readonly min: number; readonly max: number };

const SECOND_MS = 1_000;
const HOUR_MS = 3_600 * SECOND_MS;
const DAY_MS = 24 * HOUR_MS;

/**
 * What a merchant may choose in its policy_override, by field; `*` stands for every entry of a list
 * or table. All merchants share the provider's queue and its rate limit, so none may ask without a
 * pause; and whatever is waited for has an end. The deployment's own file may go further.
 */
// table
const LIMITS: Readonly<Record<string, Limit>> = {
  'charge.timeout_ms': { min: SECOND_MS, max: 60 * SECOND_MS },
  'charge.deadline_ms': { min: SECOND_MS, max: HOUR_MS },
  'charge.accept_within_ms': { min: 60 * SECOND_MS, max: DAY_MS },
  'charge.resend_after_ms.*': { min: 500, max: HOUR_MS },
  callback_wait_ms: { min: 100, max: DAY_MS },
  'lookup.timeout_ms': { min: SECOND_MS, max: 60 * SECOND_MS },
  'lookup.every_ms.*': { min: 2 * SECOND_MS, max: HOUR_MS },
  'lookup.window_ms': { min: 10 * SECOND_MS, max: DAY_MS },
  'lookup.prompt_life_ms': { min: SECOND_MS, max: HOUR_MS },
  'review.ask_every_ms.*': { min: 60 * SECOND_MS, max: 30 * DAY_MS },
  'payer_action.expires_after_ms': { min: 60 * SECOND_MS, max: 7 * DAY_MS },
  'authorization.expires_after_ms': { min: 60 * SECOND_MS, max: 30 * DAY_MS },
  'refund.timeout_ms': { min: SECOND_MS, max: 60 * SECOND_MS },
  'refund.deadline_ms': { min: SECOND_MS, max: HOUR_MS },
  'refund.accept_within_ms': { min: 60 * SECOND_MS, max: DAY_MS },
  'refund.resend_after_ms.*': { min: 500, max: HOUR_MS },
  'refund.result_wait_ms': { min: 10 * SECOND_MS, max: 7 * DAY_MS },
  'refund.lookup_every_ms.*': { min: 2 * SECOND_MS, max: DAY_MS },
  'retry.by_code.*.after_ms': { min: 500, max: 30 * DAY_MS },
  'retry.by_provider_code.*.after_ms': { min: 500, max: 30 * DAY_MS },
  'reattempt.after_ms.*': { min: 500, max: 30 * DAY_MS },
  'look_back_after_ms.*': { min: 60 * SECOND_MS, max: 30 * DAY_MS },
};

/** `path.of.the.key: must be …` for each number of an override that is out of bounds. */
export function faultsOfOverride(over: Readonly<Record<string, unknown>>): readonly string[] {
  return numbersIn(over).flatMap(({ path, value, limit: { min, max } }) =>
    value < min || value > max ? [`${path.join('.')}: must be ${min} to ${max}`] : [],
  );
}

/** An override that was stored before a limit was set, brought within it. */
export function withinLimits(over: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const copy = structuredClone(over);
  for (const { path, value, limit } of numbersIn(over)) {
    const key = path.at(-1) ?? '';
    const place = path.slice(0, -1).reduce<unknown>(entryAt, copy);
    if (isTable(place)) place[key] = Math.min(Math.max(value, limit.min), limit.max);
  }
  return copy;
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

type Place = { readonly path: readonly string[]; readonly value: unknown };

function pathsOf(value: unknown, [step, ...rest]: readonly string[]): readonly Place[] {
  if (step === undefined) return [{ path: [], value }];
  if (!isTable(value)) return [];
  const keys = step === '*' ? Object.keys(value) : Object.keys(value).filter((it) => it === step);
  return keys.flatMap((key) =>
    pathsOf(value[key], rest).map((found) => ({ ...found, path: [key, ...found.path] })),
  );
}

function entryAt(place: unknown, key: string): unknown {
  return isTable(place) ? place[key] : undefined;
}

/** Objects and lists alike. */
function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
