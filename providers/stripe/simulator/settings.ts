import type { Order } from './disorder.ts';

/** How the simulator behaves; changed at run time by PATCH /simulator/settings. */
export type Settings = {
  webhook: 'send' | 'never' | 'before_answer';
  webhook_delay_ms: number;
  /** In which order those leave that come up within one delay; see disorder.ts. */
  order: Order;
  /** Pauses before the second delivery, the third …, while the receiver does not say 2xx. */
  webhook_retry_ms: readonly number[];
  /** How often each event is sent. */
  duplicates: number;
  signature: 'good' | 'forged' | 'old';
  /** Who answers 3-D Secure: the page, or the simulator after `three_ds_delay_ms`. */
  three_ds: 'manual' | 'auto_complete' | 'auto_fail';
  three_ds_delay_ms: number;
  /** How long a refund that is decided later stays as it is. */
  refund_delay_ms: number;
  /** Which event takes a refund's success back. */
  refund_failure_event: 'refund.failed' | 'refund.updated';
  dispute_delay_ms: number;
  /** The search finds what is at least this old. */
  search_lag_ms: number;
};

export const DEFAULT_SETTINGS: Settings = {
  webhook: 'send',
  webhook_delay_ms: 300,
  order: 'sent',
  webhook_retry_ms: [500, 2_000, 10_000],
  duplicates: 1,
  signature: 'good',
  three_ds: 'manual',
  three_ds_delay_ms: 1_000,
  refund_delay_ms: 2_000,
  refund_failure_event: 'refund.failed',
  dispute_delay_ms: 1_000,
  search_lag_ms: 0,
};

const isCount = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0;
const oneOf =
  (...words: readonly string[]) =>
  (value: unknown) =>
    typeof value === 'string' && words.includes(value);

const CHECKS: Readonly<Record<keyof Settings, (value: unknown) => boolean>> = {
  webhook: oneOf('send', 'never', 'before_answer'),
  webhook_delay_ms: isCount,
  order: oneOf('sent', 'reversed', 'shuffled'),
  webhook_retry_ms: (value) => Array.isArray(value) && value.every(isCount),
  duplicates: isCount,
  signature: oneOf('good', 'forged', 'old'),
  three_ds: oneOf('manual', 'auto_complete', 'auto_fail'),
  three_ds_delay_ms: isCount,
  refund_delay_ms: isCount,
  refund_failure_event: oneOf('refund.failed', 'refund.updated'),
  dispute_delay_ms: isCount,
  search_lag_ms: isCount,
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
    if (!CHECKS[name](value)) {
      throw new RangeError(`${name} does not take ${JSON.stringify(value)}`);
    }
  }
  Object.assign(settings, changes);
}

function isSetting(name: string): name is keyof Settings {
  return Object.hasOwn(CHECKS, name);
}
