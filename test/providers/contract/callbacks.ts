import type { WebhookDelivery } from '../../../domain/provider.ts';
import type { CallbackMode, Payer } from './description.ts';
import {
  ask,
  chargeToEnd,
  eventAbout,
  type Harness,
  idOf,
  listTaken,
  lookUp,
  makeContext,
  takeOutcomes,
} from './harness.ts';
import { needing } from './needs.ts';
import { SENDS } from './sends.ts';

const MALFORMED = ['', 'paid', 'null', '7', '[]', '{}', '{"id":', '{"Body":{}}', '\u0000\uFFFD'];
const LATER_MS = 24 * 3_600_000;
const MANY = 100;

export function addCallbackCases(harness: Harness): void {
  const { provider } = harness.description;
  it.each(MALFORMED)('finds %j malformed', (body) => {
    expect(provider.webhook.translate(Buffer.from(body)).kind).toBe('malformed');
  });
  needing(harness, ['payer', 'callbacks'], (it) => addToldCases(harness, it));
  needing(harness, ['payer', 'callbacks', 'ledger'], (it) => addModeCases(harness, it));
  if (provider.capabilities.callback_auth === 'token') return;
  needing(harness, ['payer', 'callbacks'], (it) => addSignatureCases(harness, it));
}

async function tellEnd(harness: Harness, payer: Payer) {
  const settled = await chargeToEnd(harness, payer);
  const [delivery] = await takeOutcomes(harness, settled.providerPaymentId);
  if (delivery === undefined) throw new Error('no callback came');
  const told = eventAbout(harness, settled.providerPaymentId, delivery);
  return { ...settled, delivery, told };
}

function addToldCases(harness: Harness, it: jest.It): void {
  const { pays, refuses } = harness.description;

  it('tells that the payer paid, and how much', async () => {
    const { request, told } = await tellEnd(harness, pays);
    expect(told?.event).toMatchObject({ kind: 'succeeded', money: request.amount, failure: null });
    expect(told?.event).toHaveProperty('receipt', expect.stringMatching(/./));
  });

  it.each(refuses)('tells that the payer $name', async (payer) => {
    const { told } = await tellEnd(harness, payer);
    expect(told?.event).toMatchObject({ kind: payer.kind, failure: { code: payer.failure } });
  });

  it('has one key for an event, however often it comes, and another for another', async () => {
    const { providerPaymentId, told } = await tellEnd(harness, pays);
    for (let sent = 1; sent < MANY; sent += 1) {
      await harness.counterpart().redeliver(providerPaymentId);
    }
    const all = await takeOutcomes(harness, providerPaymentId, MANY);
    const keys = all.map((it) => eventAbout(harness, providerPaymentId, it)?.eventKey);
    expect(new Set(keys)).toEqual(new Set([told?.eventKey]));
    expect(told?.eventKey).toMatch(/./);
    expect((await tellEnd(harness, pays)).told?.eventKey).not.toBe(told?.eventKey);
  });
}

/** Lets callbacks come in this mode as long as the work takes. */
async function told<T>(harness: Harness, mode: CallbackMode, work: () => Promise<T>): Promise<T> {
  await harness.counterpart().tellBy(mode);
  try {
    return await work();
  } finally {
    await harness.counterpart().tellBy('usual');
  }
}

function addModeCases(harness: Harness, it: jest.It): void {
  const { pays, waits, provider } = harness.description;

  it('is paid once when the callback comes before the answer', async () => {
    const request = ask(harness, pays);
    const answer = await told(harness, 'early', () =>
      harness.client().charge(request, makeContext()),
    );
    const id = idOf(answer);
    const events = harness
      .receiver()
      .list()
      .map((it) => eventAbout(harness, id, it)?.event);
    expect(events).toContainEqual(expect.objectContaining({ kind: 'succeeded' }));
    expect(await lookUp(harness, request, id)).toMatchObject({ kind: 'succeeded' });
    expect(await listTaken(harness, request)).toEqual([request.amount.amountMinor]);
  });

  it('is found paid by a look-up when no callback ever comes', async () => {
    const { request, result } = await told(harness, 'never', () => chargeToEnd(harness, waits));
    expect(result).toMatchObject({ kind: 'succeeded' });
    expect(await listTaken(harness, request)).toEqual([request.amount.amountMinor]);
  });

  if (provider.capabilities.dedupe_window_ms === null) return;
  it('is paid once when one key is sent five times at once, and callbacks come first', async () => {
    const send = await SENDS.charge(harness);
    await told(harness, 'early', () =>
      Promise.allSettled(Array.from({ length: 5 }, () => send.make())),
    );
    expect(await send.make()).toMatchObject({ kind: send.answer });
    await send.expectDone();
  });
}

/** Why a delivery is not believed by an account with these changes; null when it is. */
function doubt(
  { description: { provider }, counterpart }: Harness,
  delivery: WebhookDelivery,
  changes: Readonly<Record<string, string>> = {},
): string | null {
  const reading = provider.readCredentials({ ...counterpart().credentials, ...changes });
  if (!reading.ok) throw new Error(reading.faults.join('; '));
  if (provider.webhook.verify === undefined) throw new Error('it proves no callbacks');
  return provider.webhook.verify(delivery, reading.credentials);
}

function addSignatureCases(harness: Harness, it: jest.It): void {
  const { pays, otherWebhookSecret: other } = harness.description;

  it('believes what is signed, as it came and when it came', async () => {
    const { request, delivery, told: event } = await tellEnd(harness, pays);
    expect(doubt(harness, delivery)).toBeNull();
    const longer = Buffer.concat([delivery.body, Buffer.from(' ')]);
    for (const changes of [{ body: longer }, { headers: {} }]) {
      expect(doubt(harness, { ...delivery, ...changes })).toEqual(expect.any(String));
    }
    const later = { ...delivery, nowMs: delivery.nowMs + LATER_MS };
    expect(doubt(harness, later)).toEqual(expect.any(String));
    expect(event?.workflowId).toBe(request.workflowId);
  });

  it.each(['forged', 'old'] as const)('does not believe a callback that is %s', async (mode) => {
    const { delivery } = await told(harness, mode, () => tellEnd(harness, pays));
    expect(doubt(harness, delivery)).toEqual(expect.any(String));
  });

  it('believes either secret while they are rotated, and then only the new one', async () => {
    const { delivery } = await tellEnd(harness, pays);
    const { webhook_secrets: own } = harness.counterpart().credentials;
    const withSecrets = (webhook_secrets: string) => doubt(harness, delivery, { webhook_secrets });
    expect(withSecrets(`${other},${own}`)).toBeNull();
    expect(withSecrets(`${own},${other}`)).toBeNull();
    expect(withSecrets(`${other}`)).toEqual(expect.any(String));
  });
}
