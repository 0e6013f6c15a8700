import { randomUUID } from 'node:crypto';
import { ApiError } from '../../api/errors.ts';
import {
  holdsCardNumber,
  refuseCardNumberIn,
  refuseCardNumbers,
} from '../../api/middleware/card-number.ts';

const CARDS = [
  '4242424242424242',
  '4242 4242 4242 4242',
  '5555-5555-5555-4444',
  '378282246310005',
  '4242.4242.4242.4242',
  '4242  4242  4242  4242',
  '４２４２４２４２４２４２４２４２',
  'pm_4242424242424242',
  'card4242424242424242',
];

test.each(CARDS)('%s is refused wherever it stands, and never told', (card) => {
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
  '4242424242424241',
  '1764000000000',
  '42424242424242424242',
  'ORDER-4242',
  'pm_card_visa',
  // Random ids whose digits would pass as a card's.
  'a4242424-2424-4242-8424-2424d2f0c1ab',
  '9f4242424242424242b01c77de05a6b3',
])('%s is no card number', (text) => {
  expect(() => refuseCardNumbers({ description: text, customer: { phone: text } })).not.toThrow();
});

test('a header is named, not pointed to', () => {
  expect(() => refuseCardNumberIn('Idempotency-Key', '4242424242424242')).toThrow(
    expect.objectContaining({ faults: [expect.objectContaining({ pointer: 'Idempotency-Key' })] }),
  );
  expect(() => refuseCardNumberIn('Idempotency-Key', 'order-17')).not.toThrow();
});

test('no random UUID is taken for a card number', () => {
  for (let tries = 0; tries < 20_000; tries += 1) {
    const key = randomUUID();
    if (holdsCardNumber(key)) throw new Error(`${key} was refused`);
  }
});
