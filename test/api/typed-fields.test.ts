import { z } from 'zod';
import { ApiError } from '../../api/errors.ts';
import { validate } from '../../api/middleware/validate.ts';
import { parsePhone, readPhone } from '../../api/payments/phone.ts';
import { createPaymentBody } from '../../api/payments/schema.ts';
import { metadata, moment, text } from '../../api/schema.ts';
import { PROVIDERS } from '../../providers/index.ts';

/** What people type and paste, by the pieces that requests share: taken, or told how to mend it. */
const faultOf = (work: () => unknown): string => {
  try {
    return `taken: ${JSON.stringify(work())}`;
  } catch (error) {
    if (error instanceof ApiError) return error.message;
    throw error;
  }
};

const PHONE = '+254712345678';
// biome-ignore format: table, one spelling per line
const KENYAN = [
  ['0712345678', PHONE],
  ['712345678', PHONE],
  ['254712345678', PHONE],
  ['+254712345678', PHONE],
  ['00254712345678', PHONE],
  ['00 254 712 345 678', PHONE],
  ['(00254) 712-345-678', PHONE],
  ['000254712345678', PHONE],
  ['+254 (0)712 345 678', PHONE],
  ['0712.345.678', PHONE],
  ['0712/345/678', PHONE],
  ['0712–345–678', PHONE],
  ['0112345678', '+254112345678'],
  ['０７１２３４５６７８', PHONE],
  ['＋２５４７１２３４５６７８', PHONE],
  ['٠٧١٢٣٤٥٦٧٨', PHONE],
  ['٠٠٢٥٤٧١٢٣٤٥٦٧٨', PHONE],
  ['\u200e+254712345678', PHONE],
  ['\u202a+254 712 345 678\u202c', PHONE],
  ['\u2066+254712345678\u2069', PHONE],
  ['0712\u200b345\u2060678\ufeff', PHONE],
  ['0712\u00a0345\u202f678', PHONE],
  ['0712345678\ufe0f', PHONE],
  ['07\ufe0d12345678', PHONE],
  ['0\u20e3712345678', PHONE],
  ['0712\u00ad345678', PHONE],
  ['O712345678', null],
  ['07l2345678', null],
  ['wa.me/254712345678', null],
  ['https://wa.me/254712345678', null],
  ['tel:+254712345678', null],
  ['0712345678x5', null],
  ['0712345678 ext. 5', null],
  ['0712345678;ext=5', null],
  ['0712345678#5', null],
  ['0712345678,5', null],
  ['0712345678*', null],
  ['0712345678 M-PESA', null],
  ['о712345678', null],
  ['0712345678☎', null],
  ['0712345678/0722000000', null],
  ['0712345678 0722000000', null],
  ['+0712345678', null],
  ['++254712345678', null],
  ['254+712345678', null],
  ['00712345678', null],
  ['0000254712345678', null],
  ['+14155550100', null],
  ['0202222222', null],
  ['', null],
  ['\u200b', null],
] as const;
test.each(KENYAN)('%j is for M-Pesa the phone %s', (spelling, e164) => {
  expect(parsePhone(PROVIDERS.mpesa.capabilities, spelling)).toBe(e164);
});

test.each([
  ['00254712345678', PHONE],
  ['0014155550100', '+14155550100'],
  ['\u202a+1 415 555 0100\u202c', '+14155550100'],
  ['0712345678', null],
  ['+1415555O100', null],
])('%j is for cards the phone %s', (spelling, e164) => {
  expect(parsePhone(PROVIDERS.cpay.capabilities, spelling)).toBe(e164);
});

test.each([
  ['O712345678', /“O”, which no phone number has.*0712345678/],
  ['wa.me/254712345678', /“w”, which no phone number has/],
  ['0712345678x5', /“x”, which no phone number has/],
  ['0712345678#5', /“#”, which no phone number has/],
  ['0712', /Kenyan mobile number/],
])('%s is refused, and told why', (phone, told) => {
  expect(faultOf(() => readPhone(PROVIDERS.mpesa, phone))).toMatch(told);
});

const KEY_RULE = 'takes keys of 1 to 40 characters from A-Z a-z 0-9 _ . -';
const letters = (count: number) => 'k'.repeat(count);
const keys = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 'v']));
// biome-ignore format: table, one case per line
const METADATA: readonly (readonly [string, unknown, string])[] = [
  ['a key of 40', { [letters(40)]: 'v' }, 'taken'],
  ['each sign a key may hold', { 'A-z_0.9': 'v' }, 'taken'],
  ['names that JavaScript knows', JSON.parse('{"constructor":"v","prototype":"v","toString":"v"}'), 'taken'],
  ['20 keys', keys(20), 'taken'],
  ['a value of 500', { k: letters(500) }, 'taken'],
  ['emoji in a value', { k: '🦒' }, 'taken'],
  ['nothing', {}, 'taken'],
  ['a key of 41', { [letters(41)]: 'v' }, `/${letters(41)} ${KEY_RULE}`],
  ['a key with a blank', { 'order id': 'v' }, `/order id ${KEY_RULE}`],
  ['a key with an accent', { café: 'v' }, `/café ${KEY_RULE}`],
  ['a key of nothing', { '': 'v' }, `/ ${KEY_RULE}`],
  ['21 keys', keys(21), 'body takes at most 20 keys'],
  ['a value of 501', { k: letters(501) }, '/k takes 1 to 500 characters'],
  ['a value of nothing', { k: '' }, '/k takes 1 to 500 characters'],
  ['a value with a line end', { k: 'a\nb' }, '/k must hold no control characters'],
  ['a number', { k: 5 }, '/k must be a text in quotes'],
  ['an object', { k: {} }, '/k must be a text in quotes'],
  ['a text in its place', 'order', 'body must be an object of texts, such as {"order":"17"}'],
  ['a list in its place', [], 'body must be an object of texts, such as {"order":"17"}'],
];
test.each(METADATA)('metadata with %s', (_what, value, told) => {
  const fault = faultOf(() => validate(metadata, value));
  expect(told === 'taken' ? fault.slice(0, 5) : fault).toBe(told);
});

test('each broken rule of metadata is told at its own place', () => {
  const value = { 'order id': 'v', k: letters(501) };
  expect(faultOf(() => validate(metadata, value))).toBe(
    `/order id ${KEY_RULE}; /k takes 1 to 500 characters`,
  );
});

test.each([
  ['A', true],
  ['ORDER-1234', true],
  [' A 1', true],
  ['17', true],
  ['   ', false],
  ['-', false],
  ['. / _', false],
])('a reference %j is taken: %s', (reference, isTaken) => {
  const body = { provider: 'mpesa', amount: 100, currency: 'KES', reference };
  const fault = faultOf(() => validate(createPaymentBody, body));
  expect(fault.startsWith('taken')).toBe(isTaken);
  if (!isTaken) expect(fault).toContain('at least one letter or digit');
});

// biome-ignore format: table, one case per line
test.each([
  ['2026-11-30T00:00:00Z', 'taken: "2026-11-30T00:00:00.000Z"'],
  ['2026-11-30T00:00:00+03:00', 'taken: "2026-11-29T21:00:00.000Z"'],
  ['2026-11-30T00:00:00 03:00', 'body has a blank where its + was: write + as %2B in an address, or use Z, such as 2026-11-24T09:00:00Z'],
  ['2026-11-30T00:00:00.250 0300', 'body has a blank where its + was: write + as %2B in an address, or use Z, such as 2026-11-24T09:00:00Z'],
  ['2026-11-30', 'body must be a time such as 2026-11-24T09:00:00Z'],
  ['2026-11-30 00:00:00', 'body must be a time such as 2026-11-24T09:00:00Z'],
  [5, 'body must be a time such as 2026-11-24T09:00:00Z'],
])('the time %j', (given, told) => {
  expect(faultOf(() => validate(moment, given))).toBe(told);
});

test.each([
  ['', 'body takes 1 to 5 characters'],
  ['sixsix', 'body takes 1 to 5 characters'],
  [5, 'body must be a text in quotes'],
  [undefined, 'body is required'],
])('a text of %j is told how to mend it', (given, told) => {
  expect(faultOf(() => validate(text(5), given))).toBe(told);
});

test('a record’s key that breaks no rule of ours is told by its own', () => {
  const other = z.record(z.string().max(2), z.string());
  expect(faultOf(() => validate(other, { abc: 'v' }))).toMatch(/^\/abc .*2/);
});
