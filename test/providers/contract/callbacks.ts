import type { WebhookDelivery } from '../../../domain/provider.ts';
import type { CallbackManner, Payer } from './description.ts';
import { needing } from './needs.ts';
import { SENDS } from './sends.ts';
import {
  ask,
  chargeToEnd,
  eventAbout,
  idOf,
  listTaken,
  lookUp,
  makeContext,
  type Stage,
  takeOutcomes,
} from './stage.ts';

const MALFORMED = ['', 'paid', 'null', '7', '[]', '{}', '{"id":', '{"Body":{}}', '\u0000\uFFFD'];
const LATER_MS = 24 * 3_600_000;
const MANY = 100;

export function addCallbackCases(stage: Stage): void {
  const { provider } = stage.description;
  it.each(MALFORMED)('finds %j malformed', (body) => {
    expect(provider.webhook.translate(Buffer.from(body)).kind).toBe('malformed');
  });
  needing(stage, ['payer', 'callbacks'], (it) => addToldCases(stage, it));
  needing(stage, ['payer', 'callbacks', 'book'], (it) => addMannerCases(stage, it));
  if (provider.capabilities.callback_auth === 'token') return;
  needing(stage, ['payer', 'callbacks'], (it) => addSignatureCases(stage, it));
}

async function tellEnd(stage: Stage, payer: Payer) {
  const settled = await chargeToEnd(stage, payer);
  const [delivery] = await takeOutcomes(stage, settled.providerPaymentId);
  if (delivery === undefined) throw new Error('no callback came');
  const told = eventAbout(stage, settled.providerPaymentId, delivery);
  return { ...settled, delivery, told };
}

function addToldCases(stage: Stage, it: jest.It): void {
  const { pays, refuses } = stage.description;

  it('tells that the payer paid, and how much', async () => {
    const { request, told } = await tellEnd(stage, pays);
    expect(told?.event).toMatchObject({ kind: 'succeeded', money: request.amount, failure: null });
    expect(told?.event).toHaveProperty('receipt', expect.stringMatching(/./));
  });

  it.each(refuses)('tells that the payer $name', async (payer) => {
    const { told } = await tellEnd(stage, payer);
    expect(told?.event).toMatchObject({ kind: payer.kind, failure: { code: payer.failure } });
  });

  it('has one key for an event, however often it comes, and another for another', async () => {
    const { providerPaymentId, told } = await tellEnd(stage, pays);
    for (let sent = 1; sent < MANY; sent += 1) {
      await stage.counterpart().redeliver(providerPaymentId);
    }
    const all = await takeOutcomes(stage, providerPaymentId, MANY);
    const keys = all.map((it) => eventAbout(stage, providerPaymentId, it)?.eventKey);
    expect(new Set(keys)).toEqual(new Set([told?.eventKey]));
    expect(told?.eventKey).toMatch(/./);
    expect((await tellEnd(stage, pays)).told?.eventKey).not.toBe(told?.eventKey);
  });
}

/** Lets callbacks come in this manner as long as the work takes. */
async function told<T>(stage: Stage, manner: CallbackManner, work: () => Promise<T>): Promise<T> {
  await stage.counterpart().tellBy(manner);
  try {
    return await work();
  } finally {
    await stage.counterpart().tellBy('usual');
  }
}

function addMannerCases(stage: Stage, it: jest.It): void {
  const { pays, waits, provider } = stage.description;

  it('is paid once when the callback comes before the answer', async () => {
    const request = ask(stage, pays);
    const answer = await told(stage, 'early', () => stage.client().charge(request, makeContext()));
    const id = idOf(answer);
    const events = stage
      .receiver()
      .list()
      .map((it) => eventAbout(stage, id, it)?.event);
    expect(events).toContainEqual(expect.objectContaining({ kind: 'succeeded' }));
    expect(await lookUp(stage, request, id)).toMatchObject({ kind: 'succeeded' });
    expect(await listTaken(stage, request)).toEqual([request.amount.amountMinor]);
  });

  it('is found paid by a look-up when no callback ever comes', async () => {
    const { request, result } = await told(stage, 'never', () => chargeToEnd(stage, waits));
    expect(result).toMatchObject({ kind: 'succeeded' });
    expect(await listTaken(stage, request)).toEqual([request.amount.amountMinor]);
  });

  if (provider.capabilities.dedupe_window_ms === null) return;
  it('is paid once when one key is sent five times at once, and callbacks come first', async () => {
    const send = await SENDS.charge(stage);
    await told(stage, 'early', () =>
      Promise.allSettled(Array.from({ length: 5 }, () => send.make())),
    );
    expect(await send.make()).toMatchObject({ kind: send.answer });
    await send.expectDone();
  });
}

/** Why a delivery is not believed by an account with these changes; null when it is. */
function doubt(
  { description: { provider }, counterpart }: Stage,
  delivery: WebhookDelivery,
  changes: Readonly<Record<string, string>> = {},
): string | null {
  const reading = provider.readCredentials({ ...counterpart().credentials, ...changes });
  if (!reading.ok) throw new Error(reading.faults.join('; '));
  if (provider.webhook.verify === undefined) throw new Error('it proves no callbacks');
  return provider.webhook.verify(delivery, reading.credentials);
}

function addSignatureCases(stage: Stage, it: jest.It): void {
  const { pays, otherWebhookSecret: other } = stage.description;

  it('believes what is signed, as it came and when it came', async () => {
    const { request, delivery, told: event } = await tellEnd(stage, pays);
    expect(doubt(stage, delivery)).toBeNull();
    const longer = Buffer.concat([delivery.body, Buffer.from(' ')]);
    for (const changes of [{ body: longer }, { headers: {} }]) {
      expect(doubt(stage, { ...delivery, ...changes })).toEqual(expect.any(String));
    }
    const later = { ...delivery, nowMs: delivery.nowMs + LATER_MS };
    expect(doubt(stage, later)).toEqual(expect.any(String));
    expect(event?.workflowId).toBe(request.workflowId);
  });

  it.each(['forged', 'old'] as const)('does not believe a callback that is %s', async (manner) => {
    const { delivery } = await told(stage, manner, () => tellEnd(stage, pays));
    expect(doubt(stage, delivery)).toEqual(expect.any(String));
  });

  it('believes either secret while they are rotated, and then only the new one', async () => {
    const { delivery } = await tellEnd(stage, pays);
    const { webhook_secrets: own } = stage.counterpart().credentials;
    const withSecrets = (webhook_secrets: string) => doubt(stage, delivery, { webhook_secrets });
    expect(withSecrets(`${other},${own}`)).toBeNull();
    expect(withSecrets(`${own},${other}`)).toBeNull();
    expect(withSecrets(`${other}`)).toEqual(expect.any(String));
  });
}
