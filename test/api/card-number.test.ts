import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { ApiError } from '../../api/errors.ts';
import {
  holdsCardNumber,
  refuseCardNumberIn,
  refuseCardNumbers,
} from '../../api/middleware/card-number.ts';
import { ID_PREFIXES, makeId } from '../../domain/id.ts';

// The same cases in every run.
fc.configureGlobal({ seed: 20_261_124 });

/** Providers' and networks' public test numbers. */
// biome-ignore format: table, one network per line
const NUMBERS = [
  '4242424242424242', '4000056655665556', '4111111111111111', '4222222222222',
  '4000000000000000006', // Visa of 19 digits
  '5555555555554444', '5105105105105100', '2223003122003222', '2720990000000007',
  '378282246310005', '371449635398431',
  '30569309025904', '36227206271667', '3056930009020004',
  '3530111333300000', '3566002020360505',
  '6011111111111117', '6011000990139424', '6221260000000000', '6205500000000000004',
  '6759649826438453', '5018000000000009', '2200000000000004',
];

const VISA = '4242424242424242';
const SPACED = '4242 4242 4242 4242';

/** As people write and paste them; what stands beside a number must not hide it. */
const SPELLINGS = [
  ...NUMBERS,
  SPACED,
  '5555-5555-5555-4444',
  '4242.4242.4242.4242',
  '4242_4242_4242_4242',
  '4242/4242/4242/4242',
  '4242\\4242\\4242\\4242',
  '4242–4242–4242–4242',
  '4242‑4242‑4242‑4242',
  '4242  4242  4242  4242',
  '4242 - 4242 - 4242 - 4242',
  '4242\u00a04242\u00a04242\u00a04242',
  '4242\u200b4242\u200b4242\u200b4242',
  '4242·4242·4242·4242',
  '42424242 42424242',
  '424242 4242424242',
  '4242 424242424242',
  '4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2',
  '42 42 42 42 42 42 42 42',
  '3782 822463 10005',
  '3056 930902 5904',
  '６２２１２６００００００００００',
  '４２４２４２４２４２４２４２４２',
  '٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢',
  '४२४२ ४२४२ ४२४२ ४२४२',
  `pm_${VISA}`,
  `card${VISA}`,
  `${VISA} 12/27`,
  `${VISA} 12/2027 123`,
  `${VISA} 123`,
  `${VISA}/12/27/123`,
  `${VISA}|12|27|123`,
  `${VISA}-1227`,
  `${SPACED} 12 27`,
  `${SPACED} 12/27 cvv 123`,
  `5 ${VISA}`,
  `5 ${SPACED}`,
  `12 27 ${VISA} 123`,
  `0712345678 ${VISA}`,
  `254712345678 ${VISA}`,
  `+254 712 345 678 ${SPACED}`,
  `1764000000000 ${VISA}`,
  `${VISA}x`,
  `${VISA}a`,
  `${VISA}abc`,
  `x${VISA}x`,
  `a${VISA}f`,
  `card:${VISA};exp:12/27`,
  `{"number":"${VISA}","cvc":"123"}`,
  `https://shop.example.test/pay?pan=${VISA}&exp=1227`,
  `pay_01a20c169a5878d58e4703fdf318cd46 ${VISA}`,
  `9f424242-0000-4242-8424-2424d2f0c1ab ${VISA}`,
];

test.each(SPELLINGS)('%s is refused wherever it stands, and never told', (card) => {
  for (const body of [
    { payment_method: card },
    { description: `my card is ${card}, thanks` },
    { metadata: { note: card } },
    { metadata: { [card]: 'x' } },
    { customer: { name: card } },
  ]) {
    let refusal: unknown = null;
    try {
      refuseCardNumbers(body);
    } catch (error) {
      refusal = error;
    }
    if (!(refusal instanceof ApiError)) throw new Error(`${JSON.stringify(body)} was taken`);
    expect(refusal.code).toBe('card_number');
    expect(JSON.stringify([refusal.message, refusal.faults])).not.toContain(card);
  }
});

test.each([
  '254712345678',
  '+254712345678',
  '+254 712 345 678',
  '0712 345 678',
  // From here on the digits together have the check digit of a card.
  '254712345678 1505',
  '254 712 345 678 1505',
  '254712345678-0002',
  '0712345678, 0722000000',
  'AAAA396367 0799999791',
  '4242424242424241',
  '4242 4242 4242 4241',
  '1764000000000',
  '1764000000000004',
  '1764000000000000000',
  '2026-11-25T09:00:00.123Z',
  '2026-11-25 09:00:00',
  '20261125090005',
  '42424242424242424242',
  'ORDER-4242',
  'ORDER-20261125-000123',
  'ORDER-20261125-000129',
  'INV/2026/11/25/000123',
  'PO_2026_11_0004242',
  'UJ7A1B2C3D',
  'ws_CO_191220191020363925',
  'ws_CO_25112026090000123712345678',
  '29115-34620561-3',
  'AG_20191219_00005797af5d7d75f652',
  'GPA.3345-1234-5678-12345',
  '41.190.123.145.54325',
  '-1.286389, 36.8172',
  '36.81722 -1.286383',
  'pm_card_visa',
  'pi_3MtwBwLkdIwHu7ix28a3tqPa',
  // Random ids whose digits would pass as a card's.
  'a4242424-2424-4242-8424-2424d2f0c1ab',
  '9f4242424242424242b01c77de05a6b3',
  'pay_9f4242424242424242b01c77de05a6b3',
  'order9f4242424242424242b01c77de05a6b3',
  '64f4242424242424242b01c7',
])('%s is no card number', (text) => {
  expect(() => refuseCardNumbers({ description: text, customer: { phone: text } })).not.toThrow();
});

test('a header is named, not pointed to', () => {
  expect(() => refuseCardNumberIn('Idempotency-Key', VISA)).toThrow(
    expect.objectContaining({ faults: [expect.objectContaining({ pointer: 'Idempotency-Key' })] }),
  );
  expect(() => refuseCardNumberIn('Idempotency-Key', 'order-17')).not.toThrow();
});

/** Many more than the odds of an accident: a rate of one in a hundred thousand would show. */
const MANY = { numRuns: 300_000 };
const isTaken = (text: string) => !holdsCardNumber(text);

test('no UUID is taken for a card number, whatever stands beside it', () => {
  const beside = fc.constantFrom('', 'order-', ' ', '-1', '4', '4242 ', 'x', '/', ' 12/27');
  const spelling = fc.tuple(beside, fc.noBias(fc.uuid()), beside).map((parts) => parts.join(''));
  fc.assert(fc.property(spelling, isTaken), MANY);
}, 120_000);

test('no id of ours is taken for a card number', () => {
  const kinds = Object.keys(ID_PREFIXES).filter((kind): kind is keyof typeof ID_PREFIXES =>
    Object.hasOwn(ID_PREFIXES, kind),
  );
  for (let made = 0; made < MANY.numRuns; made += 1) {
    const kind = kinds[made % kinds.length] ?? 'payment';
    const id = makeId(kind, { nowMs: 1.6e12 + made * 1e6, random: randomBytes(10) });
    if (holdsCardNumber(id)) throw new Error(`${id} was refused`);
  }
});

test('no phone, receipt, time or order reference is taken for a card number', () => {
  const digits = (count: number) =>
    fc.nat(10 ** count - 1).map((number) => String(number).padStart(count, '0'));
  const day = fc
    .date({ min: new Date('2000-01-01'), max: new Date('2099-12-31'), noInvalidDate: true })
    .map((date) => date.toISOString());
  const compact = day.map((text) => text.replaceAll(/\D/g, ''));
  const phone = digits(8).map((rest) => `7${rest}`);
  const receipt = fc.stringMatching(/^[A-Z]{3}[0-9A-Z]{7}$/);
  const text = fc.oneof(
    phone.map((it) => `+254${it}`),
    fc.tuple(phone, digits(4)).map(([it, amount]) => `254${it} ${amount}`),
    fc.tuple(phone, phone).map(([a, b]) => `0${a}/0${b}`),
    receipt,
    fc.tuple(receipt, phone).map(([it, other]) => `${it} 0${other}`),
    day,
    compact,
    compact.map((it) => it.slice(0, 14)),
    fc.tuple(compact, digits(6)).map(([it, serial]) => `ORDER-${it.slice(0, 8)}-${serial}`),
    fc.tuple(compact, digits(18)).map(([it, rest]) => `ws_CO_${it.slice(6, 14)}${rest}`),
  );
  fc.assert(fc.property(text, isTaken), { numRuns: 100_000 });
}, 120_000);

test('a body as long as may be is read in no time', () => {
  for (const part of ['4 ', '4242 ', '4', '4-', '4 \t-', 'f4']) {
    const text = part.repeat((64 * 1024) / part.length);
    const before = process.cpuUsage();
    holdsCardNumber(text);
    expect([part, process.cpuUsage(before).user < 2_000_000]).toEqual([part, true]);
  }
});
