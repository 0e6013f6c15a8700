/**
 * Texts that come from outside. PostgreSQL keeps no NUL and Temporal no half of a character (a lone
 * surrogate), so one such text would keep a step from being written down for ever.
 */

/** What is seen of a text as nothing: control and format characters, and line separators. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
const UNSEEN_RUNS = new RegExp(`(?:${UNSEEN.source}|\\s)+`, 'gu');
/** Nine digits or more, however they are grouped: a phone number, or an id that ends in one. */
const LONG_NUMBERS = /\+?\d(?:[ ()-]{0,2}\d){8,}/g;
const ADDRESSES = /\S+@\S+/g;
/** The token of a callback's address, which a provider may repeat, is its whole proof. */
const TOKENS = /[0-9a-f]{32,}/gi;

/** True where PostgreSQL and Temporal can keep all texts in it. */
export function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0');
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([key, part]) => isStorable(key) && isStorable(part));
}

/**
 * A provider's message or code as it may be shown and kept: whole characters, one line, at most so
 * many of them.
 */
export function cleanText(text: string, lengthMax: number): string {
  const clean = text.toWellFormed().replace(UNSEEN_RUNS, ' ').trim();
  const characters = Array.from(clean);
  if (characters.length <= lengthMax) return clean;
  return `${characters.slice(0, lengthMax - 1).join('')}…`;
}

/**
 * A provider's own words, for people who look into a payment. They may repeat what was sent, so
 * what could be a phone number or an e-mail address is left out (ADR 0003).
 */
export function quoteProvider(text: string): string {
  const masked = cleanText(text, WORDS_MAX * 4)
    .replace(TOKENS, '…')
    .replace(ADDRESSES, '…')
    .replace(LONG_NUMBERS, '…');
  return cleanText(masked, WORDS_MAX);
}

const WORDS_MAX = 160;

/**
 * The same with every text made storable: the last guard before a step is written down, for what no
 * reader of answers cleaned. What is stored then differs from what was said, which beats nothing.
 */
export function makeStorable<T>(value: T): T {
  if (isStorable(value)) return value;
  return JSON.parse(JSON.stringify(value), (_key, part: unknown) =>
    typeof part === 'string' ? part.toWellFormed().replaceAll('\0', '') : part,
  );
}

/** What may hang on what people paste: blanks, line ends, marks and joiners that nobody sees. */
const PASTED = new RegExp(`${UNSEEN.source}|\\s`, 'u');

/** What was pasted without what hangs unseen on either end of it. */
export function trimPasted(text: string): string {
  const characters = Array.from(text);
  const isSeen = (character: string) => !PASTED.test(character);
  const from = characters.findIndex(isSeen);
  return from === -1 ? '' : characters.slice(from, characters.findLastIndex(isSeen) + 1).join('');
}

/** Whether a text holds blanks, line ends or characters that nobody sees, but for those given. */
export function holdsUnseen(text: string, except = ''): boolean {
  return Array.from(text).some((it) => PASTED.test(it) && !except.includes(it));
}
