import { isApiKey, makeApiKey } from '../../db/api-key.ts';

test.each(['test', 'live'] as const)('a %s key says what it is, and checks itself', (mode) => {
  const key = makeApiKey(mode);
  expect(key).toMatch(new RegExp(`^sk_${mode}_[0-9A-Za-z]{36}$`));
  expect(isApiKey(key)).toBe(true);
  expect(makeApiKey(mode)).not.toBe(key);
});

test('one changed character is noticed, wherever it stands', () => {
  const key = makeApiKey('test');
  for (let place = 0; place < key.length; place += 1) {
    const other = key[place] === 'x' ? 'y' : 'x';
    expect(isApiKey(`${key.slice(0, place)}${other}${key.slice(place + 1)}`)).toBe(false);
  }
});

test.each(['', 'sk_test_', 'sk_test_0123456789', `${makeApiKey('test')}x`])(
  '%j is no key',
  (text) => expect(isApiKey(text)).toBe(false),
);
