/** How the simulator behaves; changed at run time by PATCH /simulator/settings. */
export type Settings = {
  /** Whether prompts are answered by the rules below, or wait for a person. */
  answer_mode: 'auto' | 'manual';
  answer_delay_ms: number;
  /** A prompt that nobody answers ends as 1037 after this long. */
  prompt_lifetime_ms: number;
  callback_delay_ms: number;
  callback: 'send' | 'never' | 'early';
  /** How often each callback is sent. */
  duplicates: number;
  pending_shape: 'rotate' | '500' | '200' | '4999';
  /** observed: long account references pass, as in the real sandbox; strict: documented limits. */
  strictness: 'strict' | 'observed';
  masked_phone: boolean;
  /** The query keeps saying pending for this long after the result. */
  query_lag_ms: number;
  query_rate: { count: number; per_ms: number } | null;
};

export const DEFAULT_SETTINGS: Settings = {
  answer_mode: 'auto',
  answer_delay_ms: 3_000,
  prompt_lifetime_ms: 60_000,
  callback_delay_ms: 0,
  callback: 'send',
  duplicates: 1,
  pending_shape: 'rotate',
  strictness: 'strict',
  masked_phone: false,
  query_lag_ms: 0,
  query_rate: null,
};

const isCount = (value: unknown) =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const oneOf = (...words: readonly string[]) =>
  Object.assign((value: unknown) => typeof value === 'string' && words.includes(value), { words });

const CHECKS: Readonly<Record<keyof Settings, (value: unknown) => boolean>> = {
  answer_mode: oneOf('auto', 'manual'),
  answer_delay_ms: isCount,
  prompt_lifetime_ms: isCount,
  callback_delay_ms: isCount,
  callback: oneOf('send', 'never', 'early'),
  duplicates: isCount,
  pending_shape: oneOf('rotate', '500', '200', '4999'),
  strictness: oneOf('strict', 'observed'),
  masked_phone: (value) => typeof value === 'boolean',
  query_lag_ms: isCount,
  query_rate: (value) =>
    value === null || (isRecord(value) && isCount(value.count) && isCount(value.per_ms)),
};

/** Changes the settings in place. @throws RangeError naming the setting that is not valid. */
export function changeSettings(
  settings: Settings,
  changes: Readonly<Record<string, unknown>>,
): void {
  for (const [name, value] of Object.entries(changes)) {
    if (!isSetting(name)) {
      throw new RangeError(`${name} is no setting; there are ${Object.keys(CHECKS).join(', ')}`);
    }
    if (!CHECKS[name](value))
      throw new RangeError(`${name} does not take ${JSON.stringify(value)}`);
  }
  Object.assign(settings, changes);
}

function isSetting(name: string): name is keyof Settings {
  return Object.hasOwn(CHECKS, name);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
