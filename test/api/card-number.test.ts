import { ApiError } from '../../api/errors.ts';
import { refuseCardNumbers } from '../../api/middleware/card-number.ts';

const CARDS = ['4242424242424242', '4242 4242 4242 4242', '5555-5555-5555-4444', '378282246310005'];

test.each(CARDS)('%s is refused wherever it stands, and never told', (card) => {
  for (const body of [
    { payment_method: card },
    { description: `my card is ${card}, thanks` },
    { metadata: { note: card } },
    { metadata: { [card]: 'x' } },
    { customer: { name: card } },
    { 'Idempotency-Key': card },
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
])('%s is no card number', (text) => {
  expect(() => refuseCardNumbers({ description: text, customer: { phone: text } })).not.toThrow();
});
