import { faultsOfOverride, withinLimits } from '../../config/override-limits.ts';
import { overlayPolicy } from '../../config/policies.ts';
import { POLICY_DEFAULTS } from '../../providers/index.ts';

/** What a merchant may choose: every time of a policy has a least and a greatest value. */
const pathsIn = (document: object, under = ''): string[] =>
  Object.entries(document).flatMap(([key, value]) => {
    const path = `${under}${key}`;
    if (typeof value === 'number') return path.includes('_ms') ? [path] : [];
    return typeof value === 'object' && value !== null ? pathsIn(value, `${path}.`) : [];
  });
/** A document that says this at the path. */
const saying = (path: string, value: number): Record<string, unknown> => {
  const [key = '', ...rest] = path.split('.');
  const inside = rest.length === 0 ? value : saying(rest.join('.'), value);
  return { [key]: inside };
};
const PATHS = [...new Set(Object.values(POLICY_DEFAULTS).flatMap((policy) => pathsIn(policy)))];

test('there are times to hold', () => expect(PATHS.length).toBeGreaterThan(20));

test.each(PATHS)('%s has a least and a greatest value', (path) => {
  for (const value of [-1, 400 * 86_400_000]) {
    expect(faultsOfOverride(saying(path, value))).toEqual([
      expect.stringMatching(/^[\w.]+: must be \d+ to \d+$/),
    ]);
    expect(faultsOfOverride(saying(path, value))[0]?.split(':')[0]).toBe(path);
  }
});

test.each(Object.entries(POLICY_DEFAULTS))('what %s does by itself may be chosen', (_name, own) => {
  const { rate_limit_per_second: _rate, ...over } = own;
  expect(faultsOfOverride(over)).toEqual([]);
  expect(overlayPolicy(own, over)).toMatchObject({ ok: true });
});

test('what is beyond a limit is brought to it, and nothing else is changed', () => {
  const over = {
    callback_wait_ms: 1,
    lookup: { every_ms: [1, 5_000, 7_200_000], timeout_ms: 'soon' },
    late_success: 'accept',
  };
  expect(withinLimits(over)).toEqual({
    callback_wait_ms: 100,
    lookup: { every_ms: [2_000, 5_000, 3_600_000], timeout_ms: 'soon' },
    late_success: 'accept',
  });
});
