import { randomBytes, randomInt } from 'node:crypto';

/** Ids in the forms that Daraja's samples show. East Africa Time is UTC+3 all year. */
const EAT_OFFSET_MS = 3 * 3_600_000;
const ALPHANUMERIC = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

/** `ws_CO_` DDMMYYYYHHmmss, milliseconds unpadded, and the last nine digits of the phone. */
export function makeCheckoutRequestId(phone: string, nowMs: number): string {
  const [year, month, day, hour, minute, second] = eatParts(nowMs);
  const at = `${day}${month}${year}${hour}${minute}${second}${nowMs % 1000}`;
  return `ws_CO_${at}${randomInt(10)}${phone.slice(-9)}`;
}

export function makeMerchantRequestId(): string {
  const hex = randomBytes(12).toString('hex');
  const groups = [hex.slice(0, 4), hex.slice(4, 8), hex.slice(8, 12), hex.slice(12)];
  return `${groups.join('-')}${randomInt(10_000, 99_999)}`;
}

/** Both names of a call that is answered later: Daraja's own, and that of whoever asked. */
export function makeConversation(nowMs: number) {
  const day = eatParts(nowMs).slice(0, 3).join('');
  const own = `AG_${day}_${randomBytes(10).toString('hex')}`;
  return { own, originator: randomBytes(16).toString('hex') } as const;
}

export function makeRequestId(): string {
  const hex = randomBytes(11).toString('hex');
  return `${hex.slice(0, 4)}-${hex.slice(4, 8)}-${hex.slice(8, 12)}-${hex.slice(12)}`;
}

/** Ten characters: year (L is 2017), month A–L, day 1–9 A–V, and seven more. */
export function makeReceipt(nowMs: number): string {
  const [year, month, day] = eatParts(nowMs).map(Number);
  const letter = (n: number) => String.fromCharCode(64 + n);
  const yearLetter = letter(12 + (year ?? 2017) - 2017);
  const dayCode = (day ?? 1) < 10 ? String(day) : letter((day ?? 10) - 9);
  let tail = '';
  for (let i = 0; i < 7; i += 1) tail += ALPHANUMERIC.charAt(randomInt(ALPHANUMERIC.length));
  return `${yearLetter}${letter(month ?? 1)}${dayCode}${tail}`;
}

/** `YYYYMMDDHHmmss` as a number, as callbacks carry it. */
export function transactionDate(nowMs: number): number {
  return Number(eatParts(nowMs).join(''));
}

/** The same address with another token, as of one who guesses. */
export function forgeToken(url: string): string {
  return `${url.slice(0, -1)}${url.endsWith('0') ? '1' : '0'}`;
}

export function makeAccessToken(): string {
  return randomBytes(21).toString('base64url').slice(0, 28);
}

function eatParts(nowMs: number): readonly string[] {
  const iso = new Date(nowMs + EAT_OFFSET_MS).toISOString();
  return iso.slice(0, 19).split(/[-T:]/);
}
