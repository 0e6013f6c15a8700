import { FAULT_KINDS, type FaultKind } from './rules.ts';

/** How the simulator behaves; changed at run time by PATCH /simulator/settings. */
export type Settings = {
  webhook: 'send' | 'never' | 'early';
  webhook_delay_ms: number;
  /** How often each webhook is sent. */
  duplicates: number;
  /** Signs with a wrong secret, or with a time long ago. */
  signature: 'good' | 'forged' | 'old';
  /** How long a charge that is decided later stays pending. */
  decide_after_ms: number;
};
export const DEFAULT_SETTINGS: Settings = {
  webhook: 'send',
  webhook_delay_ms: 300,
  duplicates: 1,
  signature: 'good',
  decide_after_ms: 2_000,
};

const isCount = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0;
const CHECKS: Readonly<Record<string, (value: unknown) => boolean>> = {
  webhook: (value) => ['send', 'never', 'early'].includes(String(value)),
  webhook_delay_ms: isCount,
  duplicates: isCount,
  signature: (value) => ['good', 'forged', 'old'].includes(String(value)),
  decide_after_ms: isCount,
};

/** Changes the settings in place. @throws RangeError naming the setting that is not valid. */
export function changeSettings(
  settings: Settings,
  changes: Readonly<Record<string, unknown>>,
): void {
  for (const [name, value] of Object.entries(changes)) {
    const check = Object.hasOwn(CHECKS, name) ? CHECKS[name] : undefined;
    if (check === undefined) {
      throw new RangeError(`${name} is no setting; there are ${Object.keys(CHECKS).join(', ')}`);
    }
    if (!check(value)) throw new RangeError(`${name} does not take ${JSON.stringify(value)}`);
  }
  Object.assign(settings, changes);
}

/** An order for the next requests of a kind; it is used up. */
export type FaultOrder = {
  readonly on: string;
  readonly kind: FaultKind;
  /** Of a 429. */
  readonly retry_after_s: number;
  times: number;
};
const FAULT_STEPS = ['charge', 'capture', 'cancel', 'refund', 'lookup'] as const;

/** @throws RangeError naming the field that is not valid. */
export function readFaultOrder(body: Readonly<Record<string, unknown>>): FaultOrder {
  const { on = 'charge', kind, times = 1, retry_after_s = 1, ...rest } = body;
  const [extra] = Object.keys(rest);
  if (extra !== undefined)
    throw new RangeError(`${extra} is no field: on, kind, times, retry_after_s`);
  const step = FAULT_STEPS.find((it) => it === on);
  if (step === undefined) throw new RangeError(`on must be one of ${FAULT_STEPS.join(', ')}`);
  const fault = FAULT_KINDS.find((it) => it === kind);
  if (fault === undefined) throw new RangeError(`kind must be one of ${FAULT_KINDS.join(', ')}`);
  if (!isCount(times) || times === 0) throw new RangeError('times must be 1 or more');
  if (!isCount(retry_after_s)) throw new RangeError('retry_after_s must be a count');
  return { on: step, kind: fault, retry_after_s: Number(retry_after_s), times: Number(times) };
}
