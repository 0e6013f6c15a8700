import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { createVault, subkey } from '../../db/vault.ts';

// The same cases in every run.
fc.configureGlobal({ seed: 20_261_124 });

const HASH_KEY = randomBytes(32);
const OLD = { id: 'old', key: randomBytes(32) };
const NEW = { id: 'new-2026', key: randomBytes(32) };
const PLACE = 'payments.phone/pay_1';

const vault = createVault([OLD], HASH_KEY);

test('any text opens again, and never stands in clear', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (plain) => {
      const cipher = vault.encrypt(PLACE, plain);
      expect(vault.decrypt(PLACE, cipher)).toBe(plain);
      if (Buffer.byteLength(plain) > 3) expect(cipher.includes(plain)).toBe(false);
    }),
  );
});

test('the same text is sealed differently each time', () => {
  const ciphers = Array.from({ length: 100 }, () => vault.encrypt(PLACE, '+254712345678'));
  expect(new Set(ciphers.map((cipher) => cipher.toString('hex'))).size).toBe(100);
});

test.each(['payments.phone/pay_2', 'payments.email/pay_1', ''])(
  'moved to %j, a ciphertext does not open',
  (place) => {
    const cipher = vault.encrypt(PLACE, '+254712345678');
    expect(() => vault.decrypt(place, cipher)).toThrow();
  },
);

test('with any one bit changed, a ciphertext does not open', () => {
  const cipher = vault.encrypt(PLACE, '+254712345678');
  for (let bit = 0; bit < cipher.length * 8; bit += 1) {
    const changed = Buffer.from(cipher);
    const at = Math.floor(bit / 8);
    changed[at] = (changed[at] ?? 0) ^ (1 << (bit % 8));
    expect(() => vault.decrypt(PLACE, changed)).toThrow();
  }
});

test('cut short anywhere, or made longer, a ciphertext does not open', () => {
  const cipher = vault.encrypt(PLACE, '+254712345678');
  for (let length = 0; length < cipher.length; length += 1) {
    expect(() => vault.decrypt(PLACE, cipher.subarray(0, length))).toThrow();
  }
  expect(() => vault.decrypt(PLACE, Buffer.concat([cipher, Buffer.from([0])]))).toThrow();
});

test('a new key in front seals from now on; the old one still opens what it sealed', () => {
  const before = vault.encrypt(PLACE, 'Amina');
  const rotated = createVault([NEW, OLD], HASH_KEY);
  expect(rotated.decrypt(PLACE, before)).toBe('Amina');
  const after = rotated.encrypt(PLACE, 'Amina');
  expect(createVault([NEW], HASH_KEY).decrypt(PLACE, after)).toBe('Amina');
  expect(() => vault.decrypt(PLACE, after)).toThrow('new-2026');
});

test('a missing key is named, with the variable it is missing from', () => {
  const cipher = vault.encrypt(PLACE, 'Amina');
  expect(() => createVault([NEW], HASH_KEY).decrypt(PLACE, cipher)).toThrow(
    'data key old is missing from MALIPO_DATA_KEYS',
  );
});

test('another key under the same id opens nothing', () => {
  const cipher = vault.encrypt(PLACE, 'Amina');
  const other = createVault([{ id: OLD.id, key: NEW.key }], HASH_KEY);
  expect(() => other.decrypt(PLACE, cipher)).toThrow();
});

test('a vault without a key is refused', () => {
  expect(() => createVault([], HASH_KEY)).toThrow('at least one data key');
});

test('a look-up hash is the same for the same text, purpose and key, and for nothing else', () => {
  const hash = vault.hash('phone', '+254712345678');
  expect(hash).toHaveLength(32);
  expect(createVault([NEW], HASH_KEY).hash('phone', '+254712345678')).toEqual(hash);
  expect(vault.hash('phone', '+254712345679')).not.toEqual(hash);
  expect(vault.hash('email', '+254712345678')).not.toEqual(hash);
  expect(createVault([OLD], randomBytes(32)).hash('phone', '+254712345678')).not.toEqual(hash);
});

test('a subkey tells neither its key nor another subkey', () => {
  const [first, second] = [subkey(HASH_KEY, 'phone'), subkey(HASH_KEY, 'email')];
  expect(first).toHaveLength(32);
  expect(new Set([first, second, HASH_KEY].map((key) => key.toString('hex'))).size).toBe(3);
});

const CHECKOUT_ID = 'ws_CO_25112026093011214712345678';

test('any id opens again, is never told, and has one token only', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (id) => {
      const token = vault.sealId(id);
      expect(token).toMatch(/^pid_[\w-]+$/);
      expect(vault.openId(token)).toBe(id);
      expect(vault.sealId(id)).toBe(token);
      expect(vault.sealId(token)).not.toBe(token);
      if (Buffer.byteLength(id) > 3) {
        expect(Buffer.from(token.slice(4), 'base64url').includes(id)).toBe(false);
      }
    }),
  );
});

test('tokens of ids that differ in one digit have nothing in common', () => {
  const ids = Array.from(
    { length: 200 },
    (_, index) => `${CHECKOUT_ID.slice(0, -3)}${100 + index}`,
  );
  const starts = ids.map((id) => vault.sealId(id).slice(0, 16));
  expect(new Set(starts).size).toBe(ids.length);
});

test('a token opens whatever data keys there are, and with no other hash key', () => {
  const token = vault.sealId(CHECKOUT_ID);
  const rotated = createVault([NEW], HASH_KEY);
  expect([rotated.openId(token), rotated.sealId(CHECKOUT_ID)]).toEqual([CHECKOUT_ID, token]);
  const other = createVault([OLD], randomBytes(32));
  expect(() => other.openId(token)).toThrow();
  expect(other.sealId(CHECKOUT_ID)).not.toBe(token);
});

test('what is no token comes back as it is', () => {
  for (const id of [CHECKOUT_ID, 'pi_3Q0', 'ch_1', '', 'pid']) expect(vault.openId(id)).toBe(id);
});

test('with any one byte changed, or cut short, a token does not open', () => {
  const bytes = Buffer.from(vault.sealId(CHECKOUT_ID).slice(4), 'base64url');
  const open = (changed: Buffer) => vault.openId(`pid_${changed.toString('base64url')}`);
  for (let at = 0; at < bytes.length; at += 1) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(() => open(changed)).toThrow();
    expect(() => open(bytes.subarray(0, at))).toThrow();
  }
});
