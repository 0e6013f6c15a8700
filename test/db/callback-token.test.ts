import { randomBytes } from 'node:crypto';
import { createCallbackTokens } from '../../db/callback-token.ts';

const HASH = '0123456789abcdef0123456789abcdef';
const tokens = createCallbackTokens(randomBytes(32));

test.each([1, 2, 9, 10, 16, 255])('attempt %i can be read from its token', (attemptOrdinal) => {
  expect(tokens.read('payment', tokens.issue('payment', HASH, attemptOrdinal))).toEqual({
    workflowHash: HASH,
    attemptOrdinal,
  });
});

test('a token is lowercase hex, and the same again after a restart', () => {
  const key = randomBytes(32);
  const token = createCallbackTokens(key).issue('payment', HASH, 1);
  expect(token).toMatch(/^[0-9a-f]{66}$/);
  expect(createCallbackTokens(key).issue('payment', HASH, 1)).toBe(token);
});

test('a token of another key is refused', () => {
  expect(
    createCallbackTokens(randomBytes(32)).read('payment', tokens.issue('payment', HASH, 1)),
  ).toBeNull();
});

test('of several keys the first signs, and all of them are believed', () => {
  const [first, second, third] = [randomBytes(32), randomBytes(32), randomBytes(32)];
  const before = createCallbackTokens(first).issue('payment', HASH, 3);
  const changed = createCallbackTokens(second, first);
  const read = { workflowHash: HASH, attemptOrdinal: 3 };
  expect(changed.read('payment', before)).toEqual(read);
  expect(changed.read('refund', before)).toBeNull();
  const after = changed.issue('payment', HASH, 3);
  expect(createCallbackTokens(second).read('payment', after)).toEqual(read);
  expect(createCallbackTokens(second, third).read('payment', before)).toBeNull();
});

test('with any one digit changed, a token is refused', () => {
  const token = tokens.issue('payment', HASH, 1);
  for (let at = 0; at < token.length; at += 1) {
    const digit = (Number.parseInt(token.slice(at, at + 1), 16) ^ 1).toString(16);
    expect(
      tokens.read('payment', `${token.slice(0, at)}${digit}${token.slice(at + 1)}`),
    ).toBeNull();
  }
});

test('the seal of one payment or attempt does not open another', () => {
  const seal = tokens.issue('payment', HASH, 1).slice(34);
  const other = HASH.replace('0', 'f');
  expect(tokens.read('payment', `${HASH}02${seal}`)).toBeNull();
  expect(tokens.read('payment', `${other}01${seal}`)).toBeNull();
});

const good = tokens.issue('payment', HASH, 1);
const MISSHAPEN = ['', 'x', HASH, good.slice(1), `${good}0`, good.toUpperCase(), ` ${good}`];

test.each([...MISSHAPEN, `${good}\n`, `${good.slice(0, -1)}é`, '0'.repeat(66)])(
  '%j is no token',
  (text) => expect(tokens.read('payment', text)).toBeNull(),
);

const REFUSED = [
  { hash: HASH, ordinal: 256 },
  { hash: HASH, ordinal: -1 },
  { hash: HASH, ordinal: 1.5 },
  { hash: HASH.toUpperCase(), ordinal: 1 },
  { hash: HASH.slice(1), ordinal: 1 },
  { hash: '', ordinal: 1 },
];

test.each(REFUSED)('no token is issued for $ordinal of $hash', ({ hash, ordinal }) => {
  expect(() => tokens.issue('payment', hash, ordinal)).toThrow(RangeError);
});
