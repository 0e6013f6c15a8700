import {
  count,
  countFrom,
  type Field,
  flag,
  isRecord,
  oneOf,
  orNull,
  readFields,
  text,
} from './fields.ts';

/**
 * `twice`: told two times; `wrong_amount`: of another amount; `forged`: to an address that was not
 * given.
 */
const STATUS_MANNERS = ['tell', 'unknown', 'never', 'twice', 'wrong_amount', 'forged'] as const;
export type StatusManner = (typeof STATUS_MANNERS)[number];

/** How the simulator behaves; changed at run time by PATCH /simulator/settings. */
export type Settings = {
  /** Whether prompts are answered by the rules below, or wait for a person. */
  answer_mode: 'auto' | 'manual';
  answer_delay_ms: number;
  /** A prompt that nobody answers ends as 1037 after this long. */
  prompt_lifetime_ms: number;
  callback_delay_ms: number;
  /** `forged`: every callback goes to an address with another token. */
  callback: 'send' | 'never' | 'early' | 'forged';
  /** How often each callback is sent. */
  duplicates: number;
  pending_shape: 'rotate' | '500' | '200' | '4999';
  /** observed: what the real sandbox was seen to take; strict: no more than is documented. */
  strictness: 'observed' | 'strict';
  masked_phone: boolean;
  /** The query keeps saying pending for this long after the result. */
  query_lag_ms: number;
  /** What the query tells of every prompt, also of one that rings; null: by the ledger. */
  query_code: string | null;
  query_rate: { count: number; per_ms: number } | null;
  /** How reversals end: told, timed out in the queue, never told of, or not taken at all. */
  reversal: 'tell' | 'queue_timeout' | 'never' | 'busy';
  reversal_delay_ms: number;
  /** The result code of all reversals; null: by the ledger. */
  reversal_code: string | null;
  /** How the transaction status query is answered. */
  status: StatusManner;
};

export const DEFAULT_SETTINGS: Settings = {
  answer_mode: 'auto',
  answer_delay_ms: 3_000,
  prompt_lifetime_ms: 60_000,
  callback_delay_ms: 0,
  callback: 'send',
  duplicates: 1,
  pending_shape: 'rotate',
  strictness: 'observed',
  masked_phone: false,
  query_lag_ms: 0,
  query_code: null,
  query_rate: null,
  reversal: 'tell',
  reversal_delay_ms: 1_000,
  reversal_code: null,
  status: 'tell',
};

const rate: Field<{ count: number; per_ms: number }> = {
  takes: '{"count": …, "per_ms": …}',
  accepts: (value): value is { count: number; per_ms: number } =>
    isRecord(value) &&
    Object.keys(value).length === 2 &&
    count.accepts(value.count) &&
    count.accepts(value.per_ms),
};

const FIELDS: { readonly [Name in keyof Settings]: Field<Settings[Name]> } = {
  answer_mode: oneOf('auto', 'manual'),
  answer_delay_ms: count,
  prompt_lifetime_ms: count,
  callback_delay_ms: count,
  callback: oneOf('send', 'never', 'early', 'forged'),
  duplicates: countFrom(1),
  pending_shape: oneOf('rotate', '500', '200', '4999'),
  strictness: oneOf('observed', 'strict'),
  masked_phone: flag,
  query_lag_ms: count,
  query_code: orNull(text),
  query_rate: orNull(rate),
  reversal: oneOf('tell', 'queue_timeout', 'never', 'busy'),
  reversal_delay_ms: count,
  reversal_code: orNull(text),
  status: oneOf(...STATUS_MANNERS),
};

/** Changes the settings in place. @throws RangeError naming the setting that is not valid. */
export function changeSettings(
  settings: Settings,
  changes: Readonly<Record<string, unknown>>,
): void {
  Object.assign(settings, readFields(FIELDS, changes));
}
