import { inspect } from 'node:util';
import { mismatchOf } from '../../../domain/capture.ts';
import { ProviderError } from '../../../domain/error.ts';
import { attemptReference } from '../../../domain/id.ts';
import { isOutcome } from '../../../domain/outcome.ts';
import {
  ask,
  chargeToEnd,
  connect,
  errorOf,
  type Harness,
  listTaken,
  lookUp,
  makeContext,
} from './harness.ts';
import { needing, needsOf } from './needs.ts';

/** What shows by the client's answers alone, whoever is at the other end. */
export function addAnswerCases(harness: Harness): void {
  const { pays, waits, provider, wrongFields, secretFields, unknownPaymentId } =
    harness.description;

  it(`answers ${pays.answers} to who ${pays.name}, after one dispatch`, async () => {
    const request = ask(harness, pays);
    let dispatches = 0;
    const dispatch = async () => {
      dispatches += 1;
    };
    const answer = await harness.client().charge(request, makeContext({ dispatch }));
    expect(answer.kind).toBe(pays.answers);
    expect(dispatches).toBe(1);
    if (isOutcome(answer)) expect(mismatchOf(answer, request.amount)).toBeNull();
  });

  it.each(Object.keys(wrongFields))('names %s when that is what is wrong', async (field) => {
    const wrong = { ...harness.counterpart().credentials, [field]: wrongFields[field] ?? '' };
    const client = harness.keep(connect(provider, wrong));
    const error = await errorOf(client.charge(ask(harness, pays), makeContext()), 'misconfigured');
    expect(error.failureCode).toBe('misconfigured');
    expect(error.message).toContain(field);
    const told = inspect(error, { depth: null });
    for (const secret of secretFields) expect(told).not.toContain(wrong[secret]);
  });

  it('concludes nothing about a payment that is not there', async () => {
    const request = ask(harness, waits);
    const answer = await lookUp(harness, request, unknownPaymentId).catch(
      (error: unknown) => error,
    );
    if (answer instanceof ProviderError) return;
    expect(answer).toMatchObject({ kind: expect.stringMatching(/^(pending|unknown)$/) });
  });

  if (provider.capabilities.looks_up_by_our_id) return;
  it('has no answer without the provider’s id', async () => {
    await errorOf(lookUp(harness, ask(harness, pays), null));
  });
}

export function addChargeCases(harness: Harness): void {
  needing(harness, ['ledger'], (it) => addDispatchCases(harness, it));
  const { pays, refuses } = harness.description;

  needing(harness, [...needsOf(harness, pays), 'ledger'], (it) => {
    it('takes what was asked for when the payer pays', async () => {
      const { request, result } = await chargeToEnd(harness, pays);
      expect(result).toMatchObject({ kind: 'succeeded', failure: null });
      expect(await listTaken(harness, request)).toEqual([request.amount.amountMinor]);
    });

    it.each(refuses)('says $kind ($failure) when the payer $name', async (payer) => {
      const { request, result } = await chargeToEnd(harness, payer);
      expect(result).toMatchObject({ kind: payer.kind, failure: { code: payer.failure } });
      expect(result.providerCode).not.toBeNull();
      expect(await listTaken(harness, request)).toEqual([0]);
    });

    it.each(refuses)('takes it once by a new attempt when the payer $name first', async (payer) => {
      const first = await chargeToEnd(harness, payer);
      const { workflowId } = first.request;
      const attemptRef = attemptReference(workflowId, 2);
      const ids = { workflowId, attemptRef, idempotencyKey: `${attemptRef}/charge` };
      const second = await chargeToEnd(harness, pays, ids);
      expect(second.result).toMatchObject({ kind: 'succeeded', failure: null });
      expect(second.providerPaymentId).not.toBe(first.providerPaymentId);
      expect(await listTaken(harness, first.request)).toEqual([0]);
      expect(await listTaken(harness, second.request)).toEqual([second.request.amount.amountMinor]);
    });
  });
}

function addDispatchCases(harness: Harness, it: jest.It): void {
  const { pays, provider, wrongFields } = harness.description;

  it('asks for the money once', async () => {
    const request = ask(harness, pays);
    const answer = await harness.client().charge(request, makeContext());
    const payments = await harness.counterpart().listPayments(request);
    expect(payments.map((it) => it.providerPaymentId)).toEqual([answer.providerPaymentId]);
  });

  it('sends nothing before the dispatch is written down', async () => {
    const request = ask(harness, pays);
    const seen: (readonly number[])[] = [];
    const dispatch = async () => {
      seen.push(await listTaken(harness, request));
    };
    await harness.client().charge(request, makeContext({ dispatch }));
    expect(seen).toEqual([[]]);
    expect(await listTaken(harness, request)).toHaveLength(1);
  });

  it('sends nothing when the dispatch is refused, and passes the refusal on', async () => {
    const request = ask(harness, pays);
    const refusal = new Error('written before');
    const dispatch = () => Promise.reject(refusal);
    await expect(harness.client().charge(request, makeContext({ dispatch }))).rejects.toBe(refusal);
    expect(await listTaken(harness, request)).toEqual([]);
  });

  it.each(Object.keys(wrongFields))('asks for nothing with a wrong %s', async (field) => {
    const wrong = { ...harness.counterpart().credentials, [field]: wrongFields[field] ?? '' };
    const client = harness.keep(connect(provider, wrong));
    const request = ask(harness, pays);
    await errorOf(client.charge(request, makeContext()), 'misconfigured');
    expect(await listTaken(harness, request)).toEqual([]);
  });

  if (provider.capabilities.dedupe_window_ms === null) return;
  it('charges once for one idempotency key, however often it is sent', async () => {
    const request = ask(harness, pays);
    const first = await harness.client().charge(request, makeContext());
    expect(await harness.client().charge(request, makeContext())).toEqual(first);
    expect(await listTaken(harness, request)).toHaveLength(1);
  });
}
