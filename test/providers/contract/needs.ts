import type { Counterpart, Need, Payer } from './description.ts';
import type { Harness } from './harness.ts';

/** Adds cases that need something of the counterpart; where it lacks that, they are skipped. */
export function needing(
  { description: { lacks = {} } }: Harness,
  needs: readonly Need[],
  add: (it: jest.It) => void,
): void {
  const reasons = new Set(needs.flatMap((need) => lacks[need] ?? []));
  if (reasons.size === 0) add(it);
  // reason: the description's table tells why, and its words head the cases that are left out
  else describe(`not here: ${[...reasons].join('; ')}`, () => add(it.skip));
}

/** What it takes to bring a payer to an end who may have to act after the charge was answered. */
export function needsOf({ description }: Harness, payer: Payer): readonly Need[] {
  const isDoneAtOnce = payer !== description.waits && description.pays.answers === 'succeeded';
  return isDoneAtOnce ? [] : ['payer'];
}

const refuse = (need: Need) => () =>
  Promise.reject(new Error(`this case needs ${need}, and has to say so`));

/** Of a counterpart that offers nothing but its API: a case that forgot to name a need fails. */
export const NOTHING_ELSE: Omit<Counterpart, 'credentials' | 'close'> = {
  listPayments: refuse('ledger'),
  setFault: refuse('faults'),
  settle: refuse('payer'),
  redeliver: refuse('callbacks'),
  tellBy: refuse('callbacks'),
};
