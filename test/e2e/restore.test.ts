import { CARD_PROVIDERS, lengthOf, payByCard } from './cards.ts';
import { approve, untilPrompted } from './handset.ts';
import { countCharges, forgetPayment, forgetSend } from './restore.ts';
import { openStack, type Stack } from './stack.ts';

/**
 * PostgreSQL is put back to an earlier time while Temporal and the providers go on. Whatever is
 * forgotten, no money moves twice and none is told as failed.
 */
let stack: Stack;
beforeAll(async () => {
  stack = await openStack();
}, 150_000);
afterAll(() => stack?.close(), 60_000);

it.each(CARD_PROVIDERS)(
  'a payment by %s that the database forgot is not charged anew under its key',
  async (provider) => {
    const key = `restored-${provider}`;
    const { body: first } = await payByCard(stack, provider, {}, key);
    await stack.until(first.id, ['succeeded']);
    await forgetPayment(stack, first);
    const { body: again } = await payByCard(stack, provider, {}, key);
    expect(again.id).not.toBe(first.id);
    const known = await stack.until(again.id, ['succeeded', 'needs_review', 'failed']);
    expect(known.status).not.toBe('failed');
    expect((await stack.until(again.id, ['succeeded'])).workflow.id).toBe(first.workflow.id);
    expect(await countCharges(stack, provider, again)).toBe(1);
  },
  60_000,
);

describe('a push whose claim the database forgot', () => {
  it('is paid, and neither failed nor asked about without end', async () => {
    const phone = stack.phone('09');
    const { body } = await stack.pay(phone);
    await untilPrompted(stack, phone);
    await stack.until(body.id, ['processing']);
    await forgetSend(stack, body);
    await approve(stack, phone);
    const paid = await stack.until(body.id, ['succeeded', 'failed']);
    const { charges } = await stack.ledger(phone);
    expect([paid.status, charges.length]).toEqual(['succeeded', 1]);
    expect(paid.provider_receipt).toBe(charges[0]?.receipt);
    expect(await lengthOf(stack, body)).toBeLessThan(60);
  }, 60_000);

  it('together with its worker, is not sent again', async () => {
    const phone = stack.phone('09');
    await stack.simulate('POST', 'faults', { on: 'push', phone, fault: 'slow', delay_ms: 20_000 });
    const paying = stack.pay(phone);
    await untilPrompted(stack, phone);
    await stack.world.kill('worker', 'SIGKILL');
    await stack.simulate('DELETE', 'faults');
    const { body } = await paying;
    await forgetSend(stack, body);
    // The payer's phone is free again for another prompt.
    await approve(stack, phone);
    const paid = await stack.until(body.id, ['succeeded', 'failed'], 60_000);
    const { prompts, charges } = await stack.ledger(phone);
    expect([paid.status, prompts.length, charges.length]).toEqual(['succeeded', 1, 1]);
  }, 100_000);
});
