import { createHash, randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Env } from '../config/env.ts';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const RANDOM_DIGITS = 30;
const CHECK_DIGITS = 6;

/** `test` moves no real money. */
export type KeyMode = 'test' | 'live';

/** The one mode of key that an environment makes and takes. */
export const KEY_MODES = {
  sandbox: 'test',
  production: 'live',
} as const satisfies Record<Env['environment'], KeyMode>;

/**
 * A new key such as `sk_test_…`: 30 random digits of base 62 (178 bits) and 6 that check them, so
 * that a mistyped key, and one found by a scanner of secrets, is known without asking anyone.
 */
export function makeApiKey(mode: KeyMode): string {
  const random = Array.from({ length: RANDOM_DIGITS }, () => DIGITS[randomInt(62)]).join('');
  return `sk_${mode}_${random}${checkOf(`sk_${mode}_${random}`)}`;
}

const FORM = /^(sk_(?:test|live)_[0-9A-Za-z]{30})([0-9A-Za-z]{6})$/;

/** True when the check digits are right; it may still be nobody's key. */
export function isApiKey(text: string): boolean {
  const [, body = '', check] = FORM.exec(text) ?? [];
  return check === checkOf(body);
}

/** As the key itself says; of one that {@link isApiKey}. */
export function modeOf(apiKey: string): KeyMode {
  return apiKey.startsWith('sk_live_') ? 'live' : 'test';
}

function checkOf(text: string): string {
  let rest = crc32(text);
  let check = '';
  for (let digit = 0; digit < CHECK_DIGITS; digit += 1) {
    check = `${DIGITS[rest % 62]}${check}`;
    rest = Math.floor(rest / 62);
  }
  return check;
}

/** What is stored of a key. Keys are random, so a plain SHA-256 cannot be guessed back. */
export function hashApiKey(apiKey: string): Buffer {
  return createHash('sha256').update(apiKey).digest();
}

/** What is shown of a key, to tell it from others. */
export function hintOf(apiKey: string): string {
  return `${apiKey.slice(0, 12)}…`;
}
