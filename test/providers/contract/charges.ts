import { inspect } from 'node:util';
import { isOutcome, mismatchOf } from '../../../domain/provider.ts';
import { LOST_ANSWERS, type LostAnswer } from './description.ts';
import {
  ask,
  chargeToEnd,
  connect,
  errorOf,
  listTaken,
  lookUp,
  makeContext,
  type Stage,
} from './stage.ts';

export function addChargeCases(stage: Stage): void {
  const { pays, refuses } = stage.description;

  it(`answers ${pays.answers} to who ${pays.name}, and asks for the money once`, async () => {
    const request = ask(stage, pays);
    let dispatches = 0;
    const dispatch = async () => {
      dispatches += 1;
    };
    const answer = await stage.client().charge(request, makeContext({ dispatch }));
    expect(answer.kind).toBe(pays.answers);
    expect(dispatches).toBe(1);
    const payments = await stage.simulator().listPayments(request);
    expect(payments.map((it) => it.providerPaymentId)).toEqual([answer.providerPaymentId]);
    if (isOutcome(answer)) expect(mismatchOf(answer, request.amount)).toBeNull();
  });

  it('takes what was asked for when the payer pays', async () => {
    const { request, result } = await chargeToEnd(stage, pays);
    expect(result).toMatchObject({ kind: 'succeeded', failure: null });
    expect(await listTaken(stage, request)).toEqual([request.amount.amountMinor]);
  });

  it('sends nothing before the dispatch is written down', async () => {
    const request = ask(stage, pays);
    const seen: (readonly number[])[] = [];
    const dispatch = async () => {
      seen.push(await listTaken(stage, request));
    };
    await stage.client().charge(request, makeContext({ dispatch }));
    expect(seen).toEqual([[]]);
    expect(await listTaken(stage, request)).toHaveLength(1);
  });

  it('sends nothing when the dispatch is refused, and passes the refusal on', async () => {
    const request = ask(stage, pays);
    const refusal = new Error('written before');
    const dispatch = () => Promise.reject(refusal);
    await expect(stage.client().charge(request, makeContext({ dispatch }))).rejects.toBe(refusal);
    expect(await listTaken(stage, request)).toEqual([]);
  });

  it('sends nothing once it is aborted', async () => {
    const request = ask(stage, pays);
    const signal = AbortSignal.abort();
    await expect(stage.client().charge(request, makeContext({ signal }))).rejects.toThrow();
    expect(await listTaken(stage, request)).toEqual([]);
  });

  it.each(refuses)('says $kind ($failure) when the payer $name', async (payer) => {
    const { request, result } = await chargeToEnd(stage, payer);
    expect(result).toMatchObject({ kind: payer.kind, failure: { code: payer.failure } });
    expect(result.providerCode).not.toBeNull();
    expect(await listTaken(stage, request)).toEqual([0]);
  });
}

/** Charges so that the answer is lost. @throws Error unless the client calls that ambiguous. */
async function lose(stage: Stage, how: LostAnswer, isActedOn: boolean) {
  const timeoutMs = how === 'timeout' ? 500 : 5_000;
  const request = ask(stage, stage.description.pays, { timeoutMs });
  await stage.simulator().spoil({ on: 'charge', how, isActedOn });
  await errorOf(stage.client().charge(request, makeContext()), 'ambiguous');
  return request;
}

export function addLostAnswerCases(stage: Stage): void {
  const { pays } = stage.description;

  it.each(LOST_ANSWERS)('calls it ambiguous when the work was done: %s', async (how) => {
    const request = await lose(stage, how, true);
    expect(await listTaken(stage, request)).toHaveLength(1);
  });

  it('calls it ambiguous when nothing was done, since nobody can tell', async () => {
    const request = await lose(stage, 'reset', false);
    expect(await listTaken(stage, request)).toEqual([]);
  });

  it('calls it ambiguous when it is aborted on the way', async () => {
    const controller = new AbortController();
    await stage.simulator().spoil({ on: 'charge', how: 'timeout', isActedOn: true });
    const charge = stage
      .client()
      .charge(ask(stage, pays), makeContext({ signal: controller.signal }));
    setTimeout(() => controller.abort(), 300);
    await errorOf(charge, 'ambiguous');
  });
}

/** What a provider that keeps our ids can do, and the others cannot. */
export function addOwnIdCases(stage: Stage): void {
  const { pays, provider } = stage.description;
  const { dedupe_window_ms, looks_up_by_our_id } = provider.capabilities;

  if (dedupe_window_ms !== null) {
    it('charges once for one idempotency key, however often it is sent', async () => {
      const request = ask(stage, pays);
      const first = await stage.client().charge(request, makeContext());
      expect(await stage.client().charge(request, makeContext())).toEqual(first);
      expect(await listTaken(stage, request)).toHaveLength(1);
    });

    it('charges once when the answer was lost and the same is sent again', async () => {
      const request = await lose(stage, 'reset', true);
      const answer = await stage.client().charge(request, makeContext());
      expect(answer.kind).toBe(pays.answers);
      expect(await listTaken(stage, request)).toHaveLength(1);
    });
  }

  if (looks_up_by_our_id) {
    it('finds a payment by our id when its answer was lost', async () => {
      const request = await lose(stage, 'reset', true);
      const [payment] = await stage.simulator().listPayments(request);
      const found = await lookUp(stage, request, null);
      expect(found.providerPaymentId).toBe(payment?.providerPaymentId);
    });
  } else {
    it('has no answer without the provider’s id', async () => {
      await errorOf(lookUp(stage, ask(stage, pays), null));
    });
  }
}

export function addRefusalCases(stage: Stage): void {
  const { pays, provider, wrongFields, secretFields } = stage.description;

  it('takes over how long it is asked to slow down, and nothing was done', async () => {
    const request = ask(stage, pays);
    await stage.simulator().spoil({ on: 'charge', how: '429', retryAfterS: 7 });
    const error = await errorOf(stage.client().charge(request, makeContext()), 'rate_limited');
    expect(error.retryAfterMs).toBe(7_000);
    expect(await listTaken(stage, request)).toEqual([]);
  });

  it.each(Object.keys(wrongFields))('names %s when that is what is wrong', async (field) => {
    const wrong = { ...stage.simulator().credentials, [field]: wrongFields[field] ?? '' };
    const client = stage.keep(connect(provider, wrong));
    const request = ask(stage, pays);
    const error = await errorOf(client.charge(request, makeContext()), 'misconfigured');
    expect(error.failureCode).toBe('misconfigured');
    expect(error.message).toContain(field);
    const told = inspect(error, { depth: null });
    for (const secret of secretFields) expect(told).not.toContain(wrong[secret]);
    expect(await listTaken(stage, request)).toEqual([]);
  });

  it('knows that nothing was sent when nobody listens', async () => {
    const simulator = await stage.description.open(stage.receiver().url);
    const warm = stage.keep(connect(provider, simulator.credentials));
    const cold = stage.keep(connect(provider, simulator.credentials));
    try {
      await warm.charge(ask(stage, pays), makeContext());
    } finally {
      // One that stays open would keep the whole run from ending.
      await simulator.close();
    }
    for (const client of [warm, cold]) {
      await errorOf(client.charge(ask(stage, pays), makeContext()), 'unsent');
    }
  });
}
