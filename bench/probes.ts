import { setTimeout as sleep } from 'node:timers/promises';
import { mpesa } from './doors.ts';
import type { Merchant, Receiver } from './sandbox.ts';

/** What a merchant does whom a flood must not hurt; true where all went well. */
export type Probes = Readonly<Record<string, () => Promise<boolean>>>;

export const CARD_PAID = 'card paid';
const CARD = {
  provider: 'stripe',
  amount: 5_000,
  currency: 'USD',
  payment_method: 'pm_card_visa',
  return_url: null,
};

/** @param path where its own webhooks go. */
export async function createProbes(
  merchant: Merchant,
  receiver: Receiver,
  path: string,
): Promise<Probes> {
  const url = `${receiver.url}${path}`;
  const endpoint = await merchant.send('POST', 'webhook-endpoints', { url });
  return {
    [CARD_PAID]: () => untilStatus(merchant, CARD, ['succeeded']),
    'prompt sent': () =>
      untilStatus(merchant, mpesa('78'), ['processing', 'requires_action', 'succeeded']),
    'webhook arrives': async () => {
      const arrival = receiver.next(path);
      const asked = await merchant.send('POST', `webhook-endpoints/${endpoint.body.id}/test`);
      if (asked.status !== 202) return false;
      await arrival;
      return true;
    },
    'list read': async () => (await merchant.send('GET', 'payments?limit=10')).status === 200,
  };
}

async function untilStatus(merchant: Merchant, body: object, statuses: readonly string[]) {
  let { status, body: payment } = await merchant.send('POST', 'payments', body);
  if (status !== 201 && status !== 202) return false;
  while (!statuses.includes(String(payment.status))) {
    await sleep(25);
    ({ status, body: payment } = await merchant.send('GET', `payments/${payment.id}`));
    if (status !== 200) return false;
  }
  return true;
}
