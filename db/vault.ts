import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import type { Log } from '../config/log.ts';

/**
 * Personal data at rest: AES-256-GCM with a key id, bound to the row and column it stands in, so
 * that a ciphertext moved elsewhere does not open. Layout: version 1 · key id length · key id ·
 * 12 bytes nonce · 16 bytes tag · ciphertext.
 */
export type DataKey = { readonly id: string; readonly key: Uint8Array };
export type Vault = {
  /** Which key encrypts now. */
  readonly keyId: string;
  /** Every key that decrypts, that one first. */
  readonly keyIds: readonly string[];
  /** @param place where the ciphertext will stand, such as `payments.phone/pay_…`. */
  encrypt(place: string, plain: string): Buffer;
  /** @throws UnreadableError: the key is missing, the place is another one, a byte was changed. */
  decrypt(place: string, cipher: Uint8Array): string;
  /** Keyed hash for look-up, 32 bytes; equal for equal text. */
  hash(purpose: string, text: string): Buffer;
  /**
   * A short id that holds something personal as a token `pid_…`: equal for equal ids, so that
   * workflows and SQL compare tokens as they would the ids. Its key comes from the hash key and not
   * from a data key, so that a change of those changes no token: one that stands in a history
   * cannot be sealed anew.
   */
  sealId(id: string): string;
  /**
   * The id again; what is no token comes back as it is.
   * @param place where the token stands, for who looks for a damaged one.
   * @throws UnreadableError: the hash key is another one or the token was changed.
   */
  openId(token: string, place?: string): string;
};

/** One sealed value does not open. It tells the table, column and row, never the value. */
export class UnreadableError extends Error {
  constructor(place: string, reason: string) {
    super(`${place} cannot be opened: ${reason}`);
    this.name = 'UnreadableError';
  }
}

/** What a sealed value opens to; null for one that does not, so that what stands beside it does. */
export function ifReadable<T>(open: () => T): T | null {
  try {
    return open();
  } catch (error) {
    if (error instanceof UnreadableError) return null;
    throw error;
  }
}

const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const ID_TOKEN = 'pid_';

/**
 * @param keys the first encrypts; all decrypt.
 * @param hashKey 32 bytes, never rotated.
 * @param onUnreadable is told of each sealed value that does not open, once.
 */
export function createVault(
  keys: readonly DataKey[],
  hashKey: Uint8Array,
  onUnreadable: (error: UnreadableError) => void = () => undefined,
): Vault {
  const [current] = keys;
  if (current === undefined) throw new Error('a vault takes at least one data key');
  const byId = new Map(keys.map(({ id, key }) => [id, key]));
  const orTell = tellOnce(onUnreadable);
  const idKeys = { seal: subkey(hashKey, 'id/seal'), nonce: subkey(hashKey, 'id/nonce') };
  return {
    keyId: current.id,
    keyIds: [...byId.keys()],
    encrypt: (place, plain) => encrypt(current, place, plain),
    decrypt: (place, cipher) => orTell(place, () => decrypt(byId, place, Buffer.from(cipher))),
    hash: (purpose, text) => createHmac('sha256', subkey(hashKey, purpose)).update(text).digest(),
    sealId: (id) => sealId(idKeys, id),
    openId: (token, place = ID_PLACE) => orTell(place, () => openId(idKeys, token)),
  };
}

/** What a process does about a value that does not open: somebody has to see to it. */
export function sayUnreadable(log: Log): (error: UnreadableError) => void {
  return (err) => log.error({ err }, 'a sealed value cannot be opened');
}

const ID_PLACE = 'attempts.provider_payment_id';
/** More are damaged only where a whole key is gone: then the log may say so again. */
const TOLD_MAX = 1_000;

/** Node's own words for what is wrong with a cipher help nobody. */
function tellOnce(onUnreadable: (error: UnreadableError) => void) {
  const told = new Set<string>();
  return (place: string, open: () => string): string => {
    try {
      return open();
    } catch (cause) {
      const isKnown = cause instanceof UnknownKeyError;
      const error = new UnreadableError(place, isKnown ? cause.message : 'it is damaged');
      if (told.size >= TOLD_MAX) told.clear();
      if (!told.has(place)) onUnreadable(error);
      told.add(place);
      throw error;
    }
  };
}

class UnknownKeyError extends Error {}

/** A key for one purpose only (HKDF-SHA256, RFC 5869), so that no two uses share one. */
export function subkey(key: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', `malipo/${purpose}`, 32));
}

/** Which key sealed it, read from its head. */
export function keyIdOf(sealed: Uint8Array): string {
  const idLength = sealed[1];
  if (sealed[0] !== VERSION || idLength === undefined) throw new Error('not a vault ciphertext');
  return Buffer.from(sealed).toString('latin1', 2, 2 + idLength);
}

function encrypt({ id, key }: DataKey, place: string, plain: string): Buffer {
  const head = Buffer.concat([Buffer.from([VERSION, id.length]), Buffer.from(id, 'latin1')]);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.concat([head, Buffer.from(place)]));
  const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
  return Buffer.concat([head, nonce, cipher.getAuthTag(), body]);
}

function decrypt(keys: ReadonlyMap<string, Uint8Array>, place: string, sealed: Buffer): string {
  const id = keyIdOf(sealed);
  const head = sealed.subarray(0, 2 + id.length);
  const key = keys.get(id);
  if (key === undefined) {
    const shown = /^[\w.-]{1,32}$/.test(id) ? id : 'of an unknown name';
    throw new UnknownKeyError(`data key ${shown} is missing from MALIPO_DATA_KEYS`);
  }
  const nonce = sealed.subarray(head.length, head.length + NONCE_BYTES);
  const tagEnd = head.length + NONCE_BYTES + TAG_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.concat([head, Buffer.from(place)]));
  decipher.setAuthTag(sealed.subarray(head.length + NONCE_BYTES, tagEnd));
  const body = sealed.subarray(tagEnd);
  return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
}

type IdKeys = { readonly seal: Buffer; readonly nonce: Buffer };

/** The nonce is a keyed hash of the id (as in SIV, RFC 5297), so it repeats with the id alone. */
function sealId(keys: IdKeys, id: string): string {
  const nonce = createHmac('sha256', keys.nonce).update(id).digest().subarray(0, NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', keys.seal, nonce);
  const body = Buffer.concat([cipher.update(id, 'utf8'), cipher.final()]);
  const sealed = Buffer.concat([nonce, cipher.getAuthTag(), body]);
  return `${ID_TOKEN}${sealed.toString('base64url')}`;
}

function openId(keys: IdKeys, token: string): string {
  if (!token.startsWith(ID_TOKEN)) return token;
  const sealed = Buffer.from(token.slice(ID_TOKEN.length), 'base64url');
  const [nonce, rest] = [sealed.subarray(0, NONCE_BYTES), sealed.subarray(NONCE_BYTES)];
  const options = { authTagLength: TAG_BYTES };
  const decipher = createDecipheriv('aes-256-gcm', keys.seal, nonce, options);
  decipher.setAuthTag(rest.subarray(0, TAG_BYTES));
  const body = decipher.update(rest.subarray(TAG_BYTES));
  return Buffer.concat([body, decipher.final()]).toString('utf8');
}
