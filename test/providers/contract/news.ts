import { ProviderError } from '../../../domain/error.ts';
import type { WebhookDelivery } from '../../../domain/webhook-event.ts';
import { LOST_ANSWERS, type Payer } from './description.ts';
import {
  ask,
  chargeToEnd,
  errorOf,
  eventAbout,
  idOf,
  listTaken,
  lookUp,
  makeContext,
  type Stage,
  takeOutcomes,
} from './stage.ts';

export function addLookupCases(stage: Stage): void {
  const { waits, unknownPaymentId } = stage.description;

  it(`says pending until the payer who ${waits.name} is done`, async () => {
    const request = ask(stage, waits);
    const answer = await stage.client().charge(request, makeContext());
    expect(answer.kind).toBe(waits.answers);
    const id = idOf(answer);
    expect(await lookUp(stage, request, id)).toMatchObject({ kind: 'pending' });
    expect(await listTaken(stage, request)).toEqual([0]);
    await stage.simulator().settle(id, waits);
    expect(await lookUp(stage, request, id)).toMatchObject({
      kind: 'succeeded',
      providerPaymentId: id,
    });
    expect(await listTaken(stage, request)).toEqual([request.amount.amountMinor]);
  });

  it('concludes nothing about a payment that is not there', async () => {
    const request = ask(stage, waits);
    const answer = await lookUp(stage, request, unknownPaymentId).catch((error: unknown) => error);
    if (answer instanceof ProviderError) return;
    expect(answer).toMatchObject({ kind: expect.stringMatching(/^(pending|unknown)$/) });
  });

  it.each(LOST_ANSWERS)('concludes nothing from an answer that is lost: %s', async (how) => {
    const { request, providerPaymentId } = await chargeToEnd(stage, waits);
    await stage.simulator().spoil({ on: 'lookup', how, isActedOn: true });
    await errorOf(lookUp(stage, request, providerPaymentId, how === 'timeout' ? 500 : 5_000));
    expect(await lookUp(stage, request, providerPaymentId)).toMatchObject({ kind: 'succeeded' });
  });

  it('takes over how long it is asked to slow down', async () => {
    const { request, providerPaymentId } = await chargeToEnd(stage, waits);
    await stage.simulator().spoil({ on: 'lookup', how: '429', retryAfterS: 9 });
    const error = await errorOf(lookUp(stage, request, providerPaymentId), 'rate_limited');
    expect(error.retryAfterMs).toBe(9_000);
  });
}

const MALFORMED = ['', 'paid', 'null', '7', '[]', '{}', '{"id":', '{"Body":{}}', '\u0000\uFFFD'];
const LATER_MS = 24 * 3_600_000;

export function addCallbackCases(stage: Stage): void {
  const { pays, refuses, provider } = stage.description;
  const { webhook } = provider;
  const tellEnd = async (payer: Payer) => {
    const settled = await chargeToEnd(stage, payer);
    const [delivery] = await takeOutcomes(stage, settled.providerPaymentId);
    if (delivery === undefined) throw new Error('no callback came');
    const told = eventAbout(stage, settled.providerPaymentId, delivery);
    return { ...settled, delivery, told };
  };

  it('tells that the payer paid, and how much', async () => {
    const { request, told } = await tellEnd(pays);
    expect(told?.event).toMatchObject({ kind: 'succeeded', money: request.amount, failure: null });
    expect(told?.event).toHaveProperty('receipt', expect.stringMatching(/./));
  });

  it.each(refuses)('tells that the payer $name', async (payer) => {
    const { told } = await tellEnd(payer);
    expect(told?.event).toMatchObject({ kind: payer.kind, failure: { code: payer.failure } });
  });

  it('has one key for an event, however often it comes, and another for another', async () => {
    const { providerPaymentId, told } = await tellEnd(pays);
    await stage.simulator().redeliver(providerPaymentId);
    const twice = await takeOutcomes(stage, providerPaymentId, 2);
    const keys = twice.map((it) => eventAbout(stage, providerPaymentId, it)?.eventKey);
    expect(keys).toEqual([told?.eventKey, told?.eventKey]);
    expect((await tellEnd(pays)).told?.eventKey).not.toBe(told?.eventKey);
  });

  it.each(MALFORMED)('finds %j malformed', (body) => {
    expect(webhook.translate(Buffer.from(body)).kind).toBe('malformed');
  });

  if (provider.capabilities.callback_auth === 'token') return;
  it('believes what is signed, as it came and when it came', async () => {
    const { request, delivery, told } = await tellEnd(pays);
    const reading = provider.readCredentials(stage.simulator().credentials);
    if (!reading.ok) throw new Error(reading.faults.join('; '));
    const doubt = (changes: Partial<WebhookDelivery>) =>
      webhook.verify?.({ ...delivery, ...changes }, reading.credentials);
    expect(doubt({})).toBeNull();
    const longer = Buffer.concat([delivery.body, Buffer.from(' ')]);
    for (const changes of [{ body: longer }, { headers: {} }]) {
      expect(doubt(changes)).toEqual(expect.any(String));
    }
    expect(doubt({ nowMs: delivery.nowMs + LATER_MS })).toEqual(expect.any(String));
    expect(told?.workflowId).toBe(request.workflowId);
  });
}
