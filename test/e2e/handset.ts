import { setTimeout as sleep } from 'node:timers/promises';
import type { LedgerBody, Stack } from './stack.ts';

/** Asks until there is something to tell. @param what is missing, when it takes too long. */
export async function untilThere<T>(
  ask: () => Promise<T | null | undefined>,
  what: string,
): Promise<T> {
  for (let tries = 0; tries < 600; tries += 1) {
    const found = await ask();
    if (found !== null && found !== undefined) return found;
    await sleep(50);
  }
  throw new Error(`not in time: ${what}`);
}

type Prompt = LedgerBody['prompts'][number];

/** The first prompt on this phone, once it is there. */
export function untilPrompted(stack: Stack, phone: string): Promise<Prompt> {
  return untilThere(async () => (await stack.ledger(phone)).prompts[0], `a prompt on ${phone}`);
}

/** The payer of a phone that ends in 09 says yes, which is called back at once. */
export async function approve(stack: Stack, phone: string): Promise<void> {
  const { checkout_request_id: id } = await untilPrompted(stack, phone);
  await stack.simulate('POST', `prompts/${id}/answer`, { answer: 'approve' });
}

/** How we answered the callback of this number about a phone, once it was answered. */
export function untilCalledBack(stack: Stack, phone: string, number = 1) {
  return untilThere(
    async () => (await stack.ledger(phone)).callbacks[number - 1],
    `callback ${number} about ${phone}`,
  );
}
