import fc from 'fast-check';
import { newId } from '../../db/ids.ts';
import {
  hashOfPaymentWorkflowId,
  ID_PREFIXES,
  type IdKind,
  isId,
  makeId,
  paymentWorkflowId,
} from '../../domain/id.ts';

const KINDS = Object.keys(ID_PREFIXES).filter((name): name is IdKind => name in ID_PREFIXES);
const HASH = '0123456789abcdef0123456789abcdef';
const RANDOM = new Uint8Array(10).fill(0xab);

// The same cases in every run.
fc.configureGlobal({ seed: 20_261_124 });

const random = fc.uint8Array({ minLength: 10, maxLength: 10 });
const time = fc.integer({ min: 0, max: 2 ** 48 - 1 });

test('an id is its prefix and a UUIDv7 in hex', () => {
  fc.assert(
    fc.property(fc.constantFrom(...KINDS), time, random, (kind, nowMs, bytes) => {
      const id = makeId(kind, { nowMs, random: bytes });
      expect(isId(kind, id)).toBe(true);
      const hex = id.slice(id.indexOf('_') + 1);
      expect(Number.parseInt(hex.slice(0, 12), 16)).toBe(nowMs);
      expect(hex[12]).toBe('7');
      expect('89ab').toContain(hex[16]);
    }),
  );
});

test('of two ids the one made later sorts after, whatever the randomness', () => {
  fc.assert(
    fc.property(time, time, random, random, (a, b, first, second) => {
      fc.pre(a < b);
      const earlier = makeId('payment', { nowMs: a, random: first });
      expect(earlier < makeId('payment', { nowMs: b, random: second })).toBe(true);
    }),
  );
});

test('ids made in the same millisecond differ', () => {
  const ids = Array.from({ length: 5_000 }, () => newId('payment'));
  expect(new Set(ids).size).toBe(ids.length);
});

test('all 74 random bits of a UUIDv7 make a difference', () => {
  // 80 bits come in; the variant takes 2 of them, and 4 that would follow the last digit go.
  const ids = new Set<string>();
  for (let bit = 0; bit < 80; bit += 1) {
    const bytes = new Uint8Array(10);
    bytes[Math.floor(bit / 8)] = 128 >> (bit % 8);
    ids.add(makeId('payment', { nowMs: 0, random: bytes }));
  }
  ids.delete(makeId('payment', { nowMs: 0, random: new Uint8Array(10) }));
  expect(ids.size).toBe(74);
});

test('prefixes tell all kinds apart', () => {
  expect(new Set(Object.values(ID_PREFIXES)).size).toBe(KINDS.length);
  for (const kind of KINDS) {
    const id = makeId(kind, { nowMs: 1, random: RANDOM });
    expect(KINDS.filter((other) => isId(other, id))).toEqual([kind]);
  }
});

const NO_IDS = [
  '',
  'pay_',
  HASH,
  `pay${HASH}`,
  `pay_${HASH}0`,
  `pay_${HASH.slice(1)}`,
  `pay_${HASH.toUpperCase()}`,
  `PAY_${HASH}`,
  ` pay_${HASH}`,
  `pay_${HASH}\n`,
  `pay_${HASH.slice(1)}g`,
  `att_${HASH}`,
];

test.each(NO_IDS)('%j is no payment id', (text) => expect(isId('payment', text)).toBe(false));

const BAD_SOURCES = [
  { nowMs: -1, random: RANDOM },
  { nowMs: 2 ** 48, random: RANDOM },
  { nowMs: 1.5, random: RANDOM },
  { nowMs: Number.NaN, random: RANDOM },
  { nowMs: 1, random: new Uint8Array(9) },
  { nowMs: 1, random: new Uint8Array(11) },
];

test.each(BAD_SOURCES)('time $nowMs with bytes $random is refused', (source) =>
  expect(() => makeId('payment', source)).toThrow(RangeError),
);

test('a workflow id gives back the hash it was made of', () => {
  const hash = fc.uint8Array({ minLength: 16, maxLength: 16 });
  fc.assert(
    fc.property(hash, (bytes) => {
      const hex = Buffer.from(bytes).toString('hex');
      expect(hashOfPaymentWorkflowId(paymentWorkflowId(hex))).toBe(hex);
    }),
  );
});

const NO_HASHES = ['', 'order-1', HASH.slice(1), `${HASH}0`, HASH.toUpperCase(), `${HASH}\n`];

test.each(NO_HASHES)('%j makes no workflow id', (text) => {
  expect(() => paymentWorkflowId(text)).toThrow(RangeError);
  expect(hashOfPaymentWorkflowId(`payment-${text}`)).toBeNull();
});
