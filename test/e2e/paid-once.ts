import type { PaymentBody, Stack } from './stack.ts';

/**
 * Waits until an M-Pesa payment is settled: then there is one prompt, one charge, its receipt on
 * the payment, and a trail without gaps.
 */
export async function expectPaidOnce(
  stack: Stack,
  { id }: Pick<PaymentBody, 'id'>,
  phone: string,
): Promise<void> {
  const paid = await stack.until(id, ['succeeded'], 100_000);
  const { prompts, charges } = await stack.ledger(phone);
  expect([prompts.length, charges.length]).toEqual([1, 1]);
  expect(paid.provider_receipt).toBe(charges[0]?.receipt);
  const timeline = await stack.timeline(id);
  expect(timeline.map(({ sequence }) => sequence)).toEqual(timeline.map((_, index) => index + 1));
  for (const action of ['payment.created', 'payment.dispatched', 'payment.succeeded']) {
    expect(timeline.filter((entry) => entry.action === action)).toHaveLength(1);
  }
}
