import { faultsOfOverride, withinLimits } from '../../config/override-limits.ts';
import { overlayPolicy } from '../../config/policies.ts';
import { POLICY_DEFAULTS } from '../../providers/index.ts';

/** What a merchant may choose: every field of a policy has a least and a greatest value. */
const S = 1_000;
const HOUR = 3_600 * S;
const DAY = 24 * HOUR;
// biome-ignore format: table, one field a line: where, the least and the greatest
const FIELDS: readonly (readonly [string, number, number])[] = [
  ['charge.timeout_ms', S, 60 * S],
  ['charge.deadline_ms', S, HOUR],
  ['charge.accept_within_ms', 60 * S, DAY],
  ['charge.max_sends', 1, 10],
  ['charge.resend_after_ms.0', 500, HOUR],
  ['charge.resend_after_ms.2', 500, HOUR],
  ['callback_wait_ms', 100, DAY],
  ['lookup.timeout_ms', S, 60 * S],
  ['lookup.poll_interval_ms.0', 2 * S, HOUR],
  ['lookup.poll_interval_ms.2', 10 * S, HOUR],
  ['lookup.window_ms', 10 * S, HOUR],
  ['lookup.prompt_life_ms', S, HOUR],
  ['review.poll_interval_ms.0', 60 * S, 30 * DAY],
  ['payer_action.expires_after_ms', 60 * S, 7 * DAY],
  ['authorization.expires_after_ms', 60 * S, 30 * DAY],
  ['refund.timeout_ms', S, 60 * S],
  ['refund.deadline_ms', S, HOUR],
  ['refund.accept_within_ms', 60 * S, DAY],
  ['refund.max_sends', 1, 10],
  ['refund.resend_after_ms.0', 500, HOUR],
  ['refund.result_wait_ms', 10 * S, 7 * DAY],
  ['refund.poll_interval_ms.0', 2 * S, DAY],
  ['refund.poll_interval_ms.2', 10 * S, DAY],
  ['retry.by_code.declined.after_ms', 500, 30 * DAY],
  ['retry.by_provider_code.500.001.after_ms', 500, 30 * DAY],
  ['reattempt.max_attempts', 1, 5],
  ['look_back_after_ms.0', 60 * S, 30 * DAY],
  ['confirm_callback_from_minor', 0, 1_000_000_000_000],
];
/** One step of these is no name: an entry of three, or a code that holds a dot. */
const stepsOf = (path: string) =>
  path
    .replace('500.001', '500_001')
    .split('.')
    .map((step) => step.replace('_001', '.001'));
/** A document that says this there; what stands beside an entry of a list is long enough. */
const saying = (
  [step = '', ...rest]: readonly string[],
  value: number,
): Record<string, unknown> => {
  const [next, ...after] = rest;
  if (next === undefined) return { [step]: value };
  if (after.length > 0 || !/^\d$/.test(next)) return { [step]: saying(rest, value) };
  return { [step]: [60 * S, 60 * S, 60 * S].with(Number(next), value) };
};
const faultsAt = (path: string, value: number) => faultsOfOverride(saying(stepsOf(path), value));

describe.each(FIELDS)('%s', (path, min, max) => {
  test.each([min - 1, max + 1])('must not be %i', (value) => {
    expect(faultsAt(path, value)).toEqual([
      { path: stepsOf(path), detail: `must be ${min} to ${max}` },
    ]);
  });
  test.each([min, max])('may be %i', (value) => expect(faultsAt(path, value)).toEqual([]));
});

const numbersIn = (document: object, under = ''): string[] =>
  Object.entries(document).flatMap(([key, value]) => {
    if (typeof value === 'number') return [`${under}${key}`];
    return typeof value === 'object' && value !== null ? numbersIn(value, `${under}${key}.`) : [];
  });
/** Entries of a list or table are alike. */
const NAMED = (path: string) => path.replace(/\.(\d+|[a-z_]+(?=\.after_ms$))/g, '.*');

test('each number of a policy stands in the table', () => {
  const listed = FIELDS.map(([path]) => NAMED(path.replace('500.001', 'declined')));
  const known = Object.values(POLICY_DEFAULTS).flatMap((policy) => numbersIn(policy).map(NAMED));
  // Of the deployment alone: no merchant may choose it.
  const choosable = known.filter((path) => path !== 'rate_limit_per_second');
  expect([...new Set(choosable)].filter((path) => !listed.includes(path))).toEqual([]);
});

const codes = (count: number) => Array.from({ length: count }, (_, nth) => `E${nth}`);
const rules = (count: number) =>
  Object.fromEntries(codes(count).map((code) => [code, { who: 'payer' }]));
// biome-ignore format: table, one list a line: with so many entries, and what is most
test.each<readonly [string, (count: number) => Record<string, unknown>, number]>([
  ['lookup.soft_codes', (count) => ({ lookup: { soft_codes: codes(count) } }), 20],
  ['retry.by_provider_code', (count) => ({ retry: { by_provider_code: rules(count) } }), 50],
])('%s has an end', (path, over, most) => {
  expect(faultsOfOverride(over(most))).toEqual([]);
  expect(faultsOfOverride(over(most + 1))).toEqual([
    { path: path.split('.'), detail: `must have at most ${most} entries` },
  ]);
});

test('the whole is at most 4 KB, in bytes', () => {
  const over = (length: number) => ({ late_success: 'é'.repeat(length) });
  const frame = JSON.stringify(over(0)).length;
  const most = Math.floor((4_096 - frame) / 2);
  expect(faultsOfOverride(over(most))).toEqual([]);
  const detail = expect.stringMatching(/at most 4096 bytes of JSON, and takes 409[78]$/);
  expect(faultsOfOverride(over(most + 1))).toEqual([{ path: [], detail }]);
});

test.each(Object.entries(POLICY_DEFAULTS))('what %s does by itself may be chosen', (_name, own) => {
  const { rate_limit_per_second: _rate, ...over } = own;
  expect(faultsOfOverride(over)).toEqual([]);
  expect(overlayPolicy(own, over)).toMatchObject({ ok: true });
});

test('what is beyond a limit is brought to it, and nothing else is changed', () => {
  const over = {
    callback_wait_ms: 1,
    lookup: { poll_interval_ms: [1, 5_000, 7_200_000], timeout_ms: 'soon', soft_codes: codes(21) },
    retry: { by_provider_code: rules(60) },
    late_success: 'accept',
  };
  expect(withinLimits(over)).toEqual({
    callback_wait_ms: 100,
    lookup: {
      poll_interval_ms: [2_000, 5_000, 3_600_000],
      timeout_ms: 'soon',
      soft_codes: codes(20),
    },
    retry: { by_provider_code: rules(50) },
    late_success: 'accept',
  });
});
