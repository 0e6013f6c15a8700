import {
  cleanText,
  holdsUnseen,
  isStorable,
  makeStorable,
  quoteProvider,
  trimPasted,
} from '../../domain/text.ts';

// biome-ignore format: table, one text per line: as it came, as it is kept
const TEXTS = [
  ['plain words', 'plain words'],
  ['NUL\0inside', 'NUL inside'],
  ['half \ud83d of one', 'half \ufffd of one'],
  ['other half \ude00', 'other half \ufffd'],
  ['a whole 😀', 'a whole 😀'],
  [' two\r\nlines\t', 'two lines'],
  ['a\u200bb\u2028c\u202ed\ufeff', 'a b c d'],
  ['\u0007', ''],
  ['', ''],
] as const;

test.each(TEXTS)('%j is kept as %j', (text, kept) => {
  expect(cleanText(text, 100)).toBe(kept);
  expect(isStorable(cleanText(text, 100))).toBe(true);
});

test('a text is cut between characters', () => {
  expect(cleanText('😀'.repeat(10), 10)).toBe('😀'.repeat(10));
  for (let length = 1; length <= 11; length += 1) {
    const cut = cleanText('a😀b😀c😀d😀e😀f', length);
    expect(cut.isWellFormed()).toBe(true);
    expect(Array.from(cut)).toHaveLength(length);
  }
});

// biome-ignore format: table, one sentence per line: what a provider says, what is quoted of it
const SAID = [
  ["Invalid Input parameter 'Prompt message prefix', length should be less than 94 characters", "Invalid Input parameter 'Prompt message prefix', length should be less than 94 characters"],
  ['[STK_CB - ]DS timeout', '[STK_CB - ]DS timeout'],
  ['no line 254712345678 here', 'no line … here'],
  ['no line +254 712 345 678 here', 'no line … here'],
  ['no line 0712-345-678.', 'no line ….'],
  ['no line (0712) 345678', 'no line (…'],
  ['prompt ws_CO_071020261015032700000101 is over', 'prompt ws_CO_… is over'],
  ['write to jane.doe@example.test now', 'write to … now'],
  ['more than 250000 shillings', 'more than 250000 shillings'],
  ['code 500.001.1001', 'code 500.001.1001'],
  ['Invalid CallBackURL https://x.test/stk/0a123456789012345678901234567890ab', 'Invalid CallBackURL https://x.test/stk/…'],
] as const;

test.each(SAID)('of %j is quoted %j', (said, quoted) => {
  expect(quoteProvider(said)).toBe(quoted);
});

test('a long sentence does not hide a number at its cut', () => {
  const quoted = quoteProvider(`${'x'.repeat(155)} 254712345678`);
  expect(quoted).not.toMatch(/\d{4}/);
  expect(Array.from(quoted).length).toBeLessThanOrEqual(160);
});

test.each([
  [
    { a: ['b\0c', { d: '\ud800' }], e: 7, f: null },
    { a: ['bc', { d: '\ufffd' }], e: 7, f: null },
  ],
  [{ a: 'fine' }, { a: 'fine' }],
  ['\0', ''],
  [7, 7],
])('%j is made storable as %j', (value, storable) => {
  expect(makeStorable(value)).toEqual(storable);
  expect(isStorable(makeStorable(value))).toBe(true);
});

// biome-ignore format: table, one paste per line: its kind, before it is trimmed, after it
const PASTES = [
  ['blanks', '  a b  ', 'a b'],
  ['line ends', '\r\nkey\n', 'key'],
  ['no-break spaces', '\u00a0key\u202f', 'key'],
  ['zero-width characters', '\u200bkey\u2060\u200d', 'key'],
  ['a byte order mark', '\ufeffkey', 'key'],
  ['marks of direction', '\u202akey\u202c\u200e', 'key'],
  ['a variation selector', 'key\ufe0f', 'key'],
  ['nothing seen at all', ' \u200b\n', ''],
  ['nothing odd', 'a😀', 'a😀'],
] as const;

test.each(PASTES)('%s are taken off: %j is %j', (_kind, pasted, kept) => {
  expect(trimPasted(pasted)).toBe(kept);
});

// biome-ignore format: table, one text per line: with all refused, with blanks, with lines
const UNSEEN = [
  ['ab', false, false, false],
  ['a b', true, false, false],
  ['a\r\nb', true, true, false],
  ['a\u00a0b', true, true, true],
  ['a\u200bb', true, true, true],
  ['a\ufe0fb', true, true, true],
] as const;

test.each(UNSEEN)(
  '%j holds something unseen: %s, %s with blanks, %s with lines',
  (text, ...held) => {
    expect(['', ' ', ' \r\n\t'].map((except) => holdsUnseen(text, except))).toEqual(held);
  },
);
