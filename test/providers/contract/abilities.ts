import type { Provider } from '../../../domain/provider.ts';
import { chargeToEnd, type Harness, listTaken, type Settled } from './harness.ts';
import { needing, needsOf } from './needs.ts';
import { addRefundCases, PARTS } from './refunds.ts';
import { authorize, followUp } from './sends.ts';

/** What a provider may lack; the first four are methods of its client. */
function readAbilities({ capabilities }: Provider) {
  return {
    capture: capabilities.capture,
    cancel: capabilities.cancel,
    refund: capabilities.refund !== 'none',
    lookupRefund: capabilities.looks_up_refunds !== 'none',
    'repeating by our key': capabilities.dedupe_window_ms !== null,
    'looking up by our id': capabilities.looks_up_by_our_id,
  };
}

const METHODS = ['capture', 'cancel', 'refund', 'lookupRefund'];
const ADD_CASES = { capture: addCaptureCases, cancel: addCancelCases, refund: addRefundCases };

export function addAbilityCases(harness: Harness): void {
  const abilities = Object.entries(readAbilities(harness.description.provider));
  const lacks = abilities.flatMap(([name, has]) => (has ? [] : [name]));

  it(`lacks ${lacks.join(', ') || 'nothing'}, and has the rest`, () => {
    const missing = METHODS.filter((name) => !(name in harness.client()));
    expect(missing).toEqual(METHODS.filter((name) => lacks.includes(name)));
  });
  for (const [name, addCases] of Object.entries(ADD_CASES)) {
    if (!lacks.includes(name)) describe(name, () => addCases(harness));
  }
}

function addCaptureCases(harness: Harness): void {
  const capture = async (held: Settled, amountMinor: number) => {
    const request = {
      ...followUp(held, 'capture'),
      amount: { ...held.request.amount, amountMinor },
    };
    return await harness.client().capture?.(request, new AbortController().signal);
  };

  needing(harness, [...needsOf(harness, harness.description.pays), 'ledger'], (it) => {
    it.each(PARTS)('takes %s of what was held, once', async (_part, divisor) => {
      const held = await authorize(harness);
      const amountMinor = held.request.amount.amountMinor / divisor;
      const expected = { kind: 'succeeded', money: { ...held.request.amount, amountMinor } };
      expect(await capture(held, amountMinor)).toMatchObject(expected);
      expect(await capture(held, amountMinor)).toMatchObject(expected);
      expect(await listTaken(harness, held.request)).toEqual([amountMinor]);
    });
  });
}

function addCancelCases(harness: Harness): void {
  const cancel = async (payment: Settled) =>
    await harness.client().cancel?.(followUp(payment, 'cancel'), new AbortController().signal);

  needing(harness, [...needsOf(harness, harness.description.pays), 'ledger'], (it) => {
    it('lets go of what was held', async () => {
      const held = await authorize(harness);
      expect(await cancel(held)).toMatchObject({ kind: 'canceled' });
      expect(await listTaken(harness, held.request)).toEqual([0]);
    });

    it('says succeeded when the payer was faster', async () => {
      const paid = await chargeToEnd(harness, harness.description.pays);
      expect(await cancel(paid)).toMatchObject({ kind: 'succeeded' });
      expect(await listTaken(harness, paid.request)).toEqual([paid.request.amount.amountMinor]);
    });
  });
}
