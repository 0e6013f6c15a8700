import { LOST_ANSWERS } from './description.ts';
import {
  ask,
  CALL_TIMEOUT_MS,
  chargeToEnd,
  errorOf,
  type Harness,
  idOf,
  listTaken,
  lookUp,
  makeContext,
} from './harness.ts';
import { needing } from './needs.ts';

export function addLookupCases(harness: Harness): void {
  const { waits } = harness.description;

  needing(harness, ['payer', 'ledger'], (it) => {
    it(`says pending until the payer who ${waits.name} is done`, async () => {
      const request = ask(harness, waits);
      const answer = await harness.client().charge(request, makeContext());
      expect(answer.kind).toBe(waits.answers);
      const id = idOf(answer);
      expect(await lookUp(harness, request, id)).toMatchObject({ kind: 'pending' });
      expect(await listTaken(harness, request)).toEqual([0]);
      await harness.counterpart().settle(id, waits);
      expect(await lookUp(harness, request, id)).toMatchObject({
        kind: 'succeeded',
        providerPaymentId: id,
      });
      expect(await listTaken(harness, request)).toEqual([request.amount.amountMinor]);
    });
  });

  needing(harness, ['payer', 'faults'], (it) => {
    it.each(LOST_ANSWERS)('concludes nothing from an answer that is lost: %s', async (how) => {
      const { request, providerPaymentId } = await chargeToEnd(harness, waits);
      await harness.counterpart().setFault({ on: 'lookup', how, isActedOn: true });
      const timeoutMs = how === 'timeout' ? 500 : CALL_TIMEOUT_MS;
      await errorOf(lookUp(harness, request, providerPaymentId, timeoutMs));
      expect(await lookUp(harness, request, providerPaymentId)).toMatchObject({
        kind: 'succeeded',
      });
    });

    it('takes over how long it is asked to slow down', async () => {
      const { request, providerPaymentId } = await chargeToEnd(harness, waits);
      await harness.counterpart().setFault({ on: 'lookup', how: '429', retryAfterS: 9 });
      const error = await errorOf(lookUp(harness, request, providerPaymentId), 'rate_limited');
      expect(error.retryAfterMs).toBe(9_000);
    });
  });
}
