import { describeRefusal } from '../../api/middleware/refused-caller.ts';
import { makeApiKey } from '../../db/api-key.ts';

/** Each kind of wrong key is told what is wrong with it, by its form alone. */

const TOKEN = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJvcHIifQ.c2lnbmF0dXJl';
const KEY = makeApiKey('test');
const tell = (proxy: 'merchant' | 'operator', authorization: string, xApiKey = '') =>
  describeRefusal(proxy, { authorization, xApiKey }, 'sandbox');

// biome-ignore format: table, one case per line
const MERCHANT: readonly (readonly [string, string, string, RegExp])[] = [
  ['nothing', '', '', /^the header Authorization is missing: send Authorization: Bearer sk_test_…/],
  ['X-API-Key', '', KEY, /^the header X-API-Key is not read: send Authorization: Bearer sk_test_…/],
  ['Basic', `Basic ${btoa(`${KEY}:`)}`, '', /^Basic authentication is not taken: send Authorization: Bearer/],
  ['a key without Bearer', KEY, '', /^the word Bearer and a blank are missing/],
  ['another scheme', `Token ${KEY}`, '', /^only the scheme Bearer is taken/],
  ['an operator’s token', `Bearer ${TOKEN}`, '', /^this is an operator’s access token/],
  ['a live key', `Bearer ${makeApiKey('live')}`, '', /^this is a live key: here is sandbox, which takes a test key \(sk_test_…\)/],
  ['a key that is cut', `Bearer ${KEY.slice(0, -3)}`, '', /^no API key looks like this: copy the whole key again/],
  ['a key that nobody has', `Bearer ${KEY}`, '', /^this API key opens nothing: it may be revoked, expired or of another deployment/],
];
test.each(MERCHANT)('a merchant who sends %s', (_what, authorization, xApiKey, told) => {
  expect(tell('merchant', authorization, xApiKey)).toMatch(told);
});

test.each([
  ['', /^the header Authorization is missing: send .* with the access_token of POST/],
  [`Basic ${btoa('me:pass')}`, /^Basic authentication is not taken/],
  [TOKEN, /^the word Bearer and a blank are missing/],
  [`Bearer ${KEY}`, /^this is a merchant’s API key: operators sign in at POST/],
  ['Bearer nonsense', /^no access token looks like this/],
  [`Bearer ${TOKEN}`, /^this access token is not valid, or its time is over/],
])('an operator who sends %j', (authorization, told) => {
  expect(tell('operator', authorization)).toMatch(told);
});

test('each kind has a sentence of its own, and none repeats what was sent', () => {
  const told = MERCHANT.map(([, authorization, xApiKey]) =>
    tell('merchant', authorization, xApiKey),
  );
  expect(new Set(told).size).toBe(MERCHANT.length);
  for (const secret of [KEY.slice(8), TOKEN, btoa(`${KEY}:`)]) {
    expect(told.join('\n')).not.toContain(secret);
  }
});
