import type { Malipo, Payment } from '../../client/index.ts';
import type { Planned, Step } from './plan.ts';

/** Asks the controls of a provider's simulator. */
export type Control = (provider: string, path: string, body: object) => Promise<unknown>;
type Doing = Payment & { readonly malipo: Malipo; readonly control: Control; readonly key: string };

const giveBack = ({ malipo, id, key: idempotencyKey }: Doing, amount?: number) =>
  malipo.refunds.create(id, { amount, reason: 'sent back' }, { idempotencyKey });

/** What is done where, once a payment stands there; elsewhere an earlier run did it. */
// biome-ignore format: table, one step per line
const STEPS: Readonly<Record<Step, readonly [Payment['status'], (doing: Doing) => Promise<unknown>]>> = {
  refund:  ['succeeded', giveBack],
  part:    ['succeeded', (doing) => giveBack(doing, Math.max(100, Math.floor(doing.amount / 200) * 100))],
  capture: ['authorized', ({ malipo, id }) => malipo.payments.capture(id)],
  cancel:  ['authorized', ({ malipo, id }) => malipo.payments.cancel(id)],
  hold:    ['authorized', async () => undefined],
  '3ds':   ['requires_action', ({ control, provider_payment_id: id }) => control('stripe', `3ds/${id}`, { passed: true })],
  no_3ds:  ['requires_action', ({ control, provider_payment_id: id }) => control('stripe', `3ds/${id}`, { passed: false })],
  late:    ['failed', ({ control, provider_payment_id: id }) => control('mpesa', `prompts/${id}/late-success`, {})],
  twice:   ['succeeded', ({ control, provider_payment_id: id }) =>
    control('mpesa', `callbacks/${id}/resend`, { mutate: { checkout_request_id: `${id}2`, receipt: 'UKX7QW3ZT1' } })],
};
const AT_ONCE = 12;

/** Makes the payments as their shops do, some at once, in their order; and what follows each. */
export async function playAll(
  planned: readonly Planned[],
  shops: ReadonlyMap<string, Malipo>,
  control: Control,
): Promise<void> {
  const waiting = planned.values();
  const following: Promise<unknown>[] = [];
  const work = async () => {
    for (const { key, shop, body, step } of waiting) {
      const malipo = shops.get(shop);
      if (malipo === undefined) throw new Error(`${shop} has no key`);
      const { id } = await malipo.payments.create(body, { idempotencyKey: key });
      if (step !== null) following.push(follow(step, malipo, id, key));
    }
  };
  const follow = async (step: Step, malipo: Malipo, id: string, key: string) => {
    const [status, act] = STEPS[step];
    const payment = await malipo.payments.waitFor(id);
    if (payment.status === status) await act({ ...payment, malipo, control, key });
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  await Promise.all(following);
}
