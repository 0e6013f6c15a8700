import { createHmac, timingSafeEqual } from 'node:crypto';
import { subkey } from './vault.ts';

/**
 * The unguessable last segment of a callback URL: 32 hex digits of the payment's workflow id, 2 of
 * the attempt's ordinal, 32 of an HMAC over both. It proves itself, so a forged one is refused
 * and a true one finds its workflow even while the database is away. Lowercase hex only: nothing in
 * it can look like a word that a provider's filter dislikes.
 */
const TOKEN = /^([0-9a-f]{32})([0-9a-f]{2})([0-9a-f]{32})$/;

const PREFIXES = { payment: '', refund: 'refund/' } as const;

export type CallbackTokens = {
  issue(subject: TokenSubject, workflowHash: string, attemptOrdinal: number): string;
  /** Null for anything this key did not issue, or issued for another subject. */
  read(
    subject: TokenSubject,
    token: string,
  ): { readonly workflowHash: string; readonly attemptOrdinal: number } | null;
};
/** A payment's token opens nothing of a refund, and the other way round. */
export type TokenSubject = 'payment' | 'refund';

/**
 * @param current signs new tokens: 32 bytes.
 * @param former are believed as well, for payments that were open when the key was changed.
 */
export function createCallbackTokens(
  current: Uint8Array,
  ...former: readonly Uint8Array[]
): CallbackTokens {
  const keys = [current, ...former].map((key) => subkey(key, 'callback-token'));
  const sealWith = (key: Uint8Array, subject: TokenSubject, head: string) =>
    createHmac('sha256', key).update(`${PREFIXES[subject]}${head}`).digest('hex').slice(0, 32);
  return {
    issue(subject, workflowHash, attemptOrdinal) {
      const [key] = keys;
      if (key === undefined) throw new Error('tokens take a key');
      const head = `${workflowHash}${attemptOrdinal.toString(16).padStart(2, '0')}`;
      const token = `${head}${sealWith(key, subject, head)}`;
      if (!TOKEN.test(token)) throw new RangeError('a token takes a hash and an ordinal up to 255');
      return token;
    },
    read(subject, token) {
      const [, workflowHash, ordinal, sealed] = TOKEN.exec(token) ?? [];
      if (workflowHash === undefined || ordinal === undefined || sealed === undefined) return null;
      const isOurs = keys.some((key) => {
        const expected = Buffer.from(sealWith(key, subject, `${workflowHash}${ordinal}`));
        return timingSafeEqual(expected, Buffer.from(sealed));
      });
      return isOurs ? { workflowHash, attemptOrdinal: Number.parseInt(ordinal, 16) } : null;
    },
  };
}
