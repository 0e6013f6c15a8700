import { ApiError, type Fault } from '../errors.ts';

/**
 * 13 to 19 digits as card numbers begin (ISO/IEC 7812), with up to two spaces, dots or dashes
 * between them. A run inside a longer word of letters and digits is a random id, not a card.
 */
const CANDIDATE = /(?<![\da-z])(?:[a-z]*)([2-6](?:[\s.-]{0,2}\d){12,18})(?![\da-z])/gi;
/** One random UUID in some hundreds looks like a card number written with dashes. */
const UUID = /[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/gi;

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

/** NFKC turns other scripts' full-width digits into ours. */
export function holdsCardNumber(text: string): boolean {
  const plain = text.normalize('NFKC').replace(UUID, '');
  return [...plain.matchAll(CANDIDATE)].some(([, run = '']) =>
    passesLuhn(run.replace(/[\s.-]/g, '')),
  );
}

/** ISO/IEC 7812-1 annex B. */
function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (const [index, digit] of Array.from(digits).reverse().entries()) {
    const doubled = Number(digit) * (index % 2 === 0 ? 1 : 2);
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}
