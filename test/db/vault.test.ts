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
