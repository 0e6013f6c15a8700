import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';

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
  /** @throws Error when the key is missing, the place is another one or a byte was changed. */
  decrypt(place: string, cipher: Uint8Array): string;
  /** Keyed hash for look-up, 32 bytes; equal for equal text. */
  hash(purpose: string, text: string): Buffer;
};

const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** @param keys the first encrypts; all decrypt. @param hashKey 32 bytes, never rotated. */
export function createVault(keys: readonly DataKey[], hashKey: Uint8Array): Vault {
  const [current] = keys;
  if (current === undefined) throw new Error('a vault takes at least one data key');
  const byId = new Map(keys.map(({ id, key }) => [id, key]));
  return {
    keyId: current.id,
    keyIds: [...byId.keys()],
    encrypt: (place, plain) => encrypt(current, place, plain),
    decrypt: (place, cipher) => decrypt(byId, place, Buffer.from(cipher)),
    hash: (purpose, text) => createHmac('sha256', subkey(hashKey, purpose)).update(text).digest(),
  };
}

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
  if (key === undefined) throw new Error(`data key ${id} is missing from MALIPO_DATA_KEYS`);
  const nonce = sealed.subarray(head.length, head.length + NONCE_BYTES);
  const tagEnd = head.length + NONCE_BYTES + TAG_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.concat([head, Buffer.from(place)]));
  decipher.setAuthTag(sealed.subarray(head.length + NONCE_BYTES, tagEnd));
  const body = sealed.subarray(tagEnd);
  return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
}
