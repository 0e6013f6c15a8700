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

/** @param hashKey the 32 bytes of MALIPO_HASH_KEY; it must not change while payments are open. */
export function createCallbackTokens(hashKey: Uint8Array): CallbackTokens {
  const key = subkey(hashKey, 'callback-token');
  const seal = (subject: TokenSubject, head: string) =>
    createHmac('sha256', key).update(`${PREFIXES[subject]}${head}`).digest('hex').slice(0, 32);
  return {
    issue(subject, workflowHash, attemptOrdinal) {
      const head = `${workflowHash}${attemptOrdinal.toString(16).padStart(2, '0')}`;
      const token = `${head}${seal(subject, head)}`;
      if (!TOKEN.test(token)) throw new RangeError('a token takes a hash and an ordinal up to 255');
      return token;
    },
    read(subject, token) {
      const [, workflowHash, ordinal, sealed] = TOKEN.exec(token) ?? [];
      if (workflowHash === undefined || ordinal === undefined || sealed === undefined) return null;
      const expected = Buffer.from(seal(subject, `${workflowHash}${ordinal}`));
      if (!timingSafeEqual(expected, Buffer.from(sealed))) return null;
      return { workflowHash, attemptOrdinal: Number.parseInt(ordinal, 16) };
    },
  };
}
