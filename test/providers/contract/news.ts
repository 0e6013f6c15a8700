import { LOST_ANSWERS } from './description.ts';
import { needing } from './needs.ts';
import {
  ask,
  CALL_TIMEOUT_MS,
  chargeToEnd,
  errorOf,
  idOf,
  listTaken,
  lookUp,
  makeContext,
  type Stage,
} from './stage.ts';

export function addLookupCases(stage: Stage): void {
  const { waits } = stage.description;

  needing(stage, ['payer', 'book'], (it) => {
    it(`says pending until the payer who ${waits.name} is done`, async () => {
      const request = ask(stage, waits);
      const answer = await stage.client().charge(request, makeContext());
      expect(answer.kind).toBe(waits.answers);
      const id = idOf(answer);
      expect(await lookUp(stage, request, id)).toMatchObject({ kind: 'pending' });
      expect(await listTaken(stage, request)).toEqual([0]);
      await stage.counterpart().settle(id, waits);
      expect(await lookUp(stage, request, id)).toMatchObject({
        kind: 'succeeded',
        providerPaymentId: id,
      });
      expect(await listTaken(stage, request)).toEqual([request.amount.amountMinor]);
    });
  });

  needing(stage, ['payer', 'faults'], (it) => {
    it.each(LOST_ANSWERS)('concludes nothing from an answer that is lost: %s', async (how) => {
      const { request, providerPaymentId } = await chargeToEnd(stage, waits);
      await stage.counterpart().spoil({ on: 'lookup', how, isActedOn: true });
      const timeoutMs = how === 'timeout' ? 500 : CALL_TIMEOUT_MS;
      await errorOf(lookUp(stage, request, providerPaymentId, timeoutMs));
      expect(await lookUp(stage, request, providerPaymentId)).toMatchObject({ kind: 'succeeded' });
    });

    it('takes over how long it is asked to slow down', async () => {
      const { request, providerPaymentId } = await chargeToEnd(stage, waits);
      await stage.counterpart().spoil({ on: 'lookup', how: '429', retryAfterS: 9 });
      const error = await errorOf(lookUp(stage, request, providerPaymentId), 'rate_limited');
      expect(error.retryAfterMs).toBe(9_000);
    });
  });
}
