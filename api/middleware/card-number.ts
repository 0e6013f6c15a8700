import { ApiError, type Fault } from '../errors.ts';

/** What networks issue (ISO/IEC 7812): how their numbers begin, and of how many digits they are. */
// biome-ignore format: table, one network per line
const ISSUERS = [
  { of: 'Visa', begins: /^4/, digits: [13, 16, 18, 19] },
  { of: 'Mastercard', begins: /^(5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, digits: [16] },
  { of: 'American Express', begins: /^3[47]/, digits: [15] },
  { of: 'Diners Club', begins: /^3(0[0-5]|095|[689])/, digits: [14, 16, 19] },
  { of: 'JCB', begins: /^35(2[89]|[3-8])/, digits: [16, 17, 18, 19] },
  { of: 'Mir', begins: /^220[0-4]/, digits: [16, 17, 18, 19] },
  { of: 'Maestro', begins: /^(5018|5020|5038|5893|6304|6759|676[1-3])/, digits: [13, 14, 15] },
  { of: 'Discover, UnionPay, Maestro, RuPay, Verve', begins: /^(50|5[6-8]|6|81)/, digits: [16, 17, 18, 19] },
] as const;
const DIGITS_MIN = 13;
const DIGITS_MAX = 19;

/** Digits, with up to three of the marks between them that people put there, unseen ones too. */
const RUN = /\d+(?:[\s\p{Pd}\p{Cf}_./\\·]{1,3}\d+)*/gu;
/** As four digits each, and a rest. */
const GROUPS_MAX = 5;

/**
 * One random UUID in some hundreds holds digits that would pass for a card's, and so do other ids
 * in hexadecimal. Phones of Eastern Africa do with the digits beside them: an amount, a receipt.
 */
const UUID = /[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/gi;
const LONG_HEX = /[\da-f]{24,}/gi;
const PHONE = /(?<!\d)(?:25\d[\s.-]?\d{3}|0[17]\d\d)[\s.-]?\d{3}[\s.-]?\d{3}(?!\d)/g;
/** Breaks a run. */
const LEFT_OUT = '|';

/**
 * Refuses what holds a card number anywhere: we take tokens only, and a number that was never
 * stored cannot leak.
 * @throws ApiError card_number naming the field, never the number.
 */
export function refuseCardNumbers(value: unknown): void {
  const faults: Fault[] = [];
  collect(value, '', faults);
  if (faults.length === 0) return;
  const detail = 'holds a card number; send a token of the provider, such as pm_…, instead';
  throw new ApiError('card_number', `${faults[0]?.pointer} ${detail}`, faults);
}

/** The same for a header, which is named and not pointed to. */
export function refuseCardNumberIn(header: string, value: string): void {
  if (!holdsCardNumber(value)) return;
  const detail = 'holds a card number; send a random value, such as a UUID';
  throw new ApiError('card_number', `${header} ${detail}`, [{ pointer: header, detail }]);
}

function collect(value: unknown, pointer: string, faults: Fault[]): void {
  if (typeof value === 'string' && holdsCardNumber(value)) {
    faults.push({ pointer, detail: 'holds a card number' });
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [key, part] of Object.entries(value)) {
    const hasNumber = holdsCardNumber(key);
    const place = `${pointer}/${hasNumber ? '•' : key.replace(/~/g, '~0').replace(/\//g, '~1')}`;
    if (hasNumber) faults.push({ pointer: place, detail: 'is named by a card number' });
    collect(part, place, faults);
  }
}

/**
 * True when a card number stands in the text, whatever stands beside it: an expiry, a check code or
 * letters. A number begins and ends where a group of digits does, so that no part of a longer
 * number is taken for one.
 */
export function holdsCardNumber(text: string): boolean {
  const plain = inOurDigits(text)
    .replace(UUID, LEFT_OUT)
    .replace(LONG_HEX, (run) => (/[a-f]/i.test(run) ? LEFT_OUT : run))
    .replace(PHONE, LEFT_OUT);
  return (plain.match(RUN) ?? []).some((run) => hasCardNumberAmong(run.match(/\d+/g) ?? []));
}

function hasCardNumberAmong(groups: readonly string[]): boolean {
  return groups.some((_, first) => {
    let digits = '';
    for (let last = first; last < groups.length; last += 1) {
      digits += groups[last];
      if (digits.length > DIGITS_MAX) return false;
      if (isCardNumber(digits) && isWrittenAsCard(groups.slice(first, last + 1))) return true;
    }
    return false;
  });
}

/** In few groups of which the first is long enough, or in groups that are all alike. */
function isWrittenAsCard(groups: readonly string[]): boolean {
  const [first = ''] = groups;
  if (first.length >= 4 && groups.length <= GROUPS_MAX) return true;
  return groups.slice(0, -1).every(({ length }) => length === first.length);
}

function isCardNumber(digits: string): boolean {
  if (digits.length < DIGITS_MIN) return false;
  const isIssued = ISSUERS.some(
    (issuer) => issuer.digits.some((it) => it === digits.length) && issuer.begins.test(digits),
  );
  return isIssued && passesLuhn(digits);
}

/** ISO/IEC 7812-1 annex B. */
function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let place = 0; place < digits.length; place += 1) {
    const doubled = Number(digits[digits.length - 1 - place]) * (place % 2 === 0 ? 1 : 2);
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** NFKC turns full-width digits into ours; those of other scripts stand ten in a row, 0 first. */
export function inOurDigits(text: string): string {
  return text.normalize('NFKC').replace(/(?!\d)\p{Nd}/gu, (digit) => {
    const point = digit.codePointAt(0) ?? 0;
    let value = 0;
    while (/\p{Nd}/u.test(String.fromCodePoint(point - value - 1))) value += 1;
    return String(value % 10);
  });
}
