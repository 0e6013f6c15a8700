import { ProviderError } from '../../../domain/error.ts';
import { LOST_ANSWERS, type LostAnswer, type Need, type SendName } from './description.ts';
import { needing, needsOf } from './needs.ts';
import { SENDS, type Send } from './sends.ts';
import { chargeToEnd, connect, errorOf, type Stage } from './stage.ts';

/** The sends that a provider has, by its capabilities. */
export function listSends({ description: { provider } }: Stage): readonly SendName[] {
  const { capture, cancel, refund } = provider.capabilities;
  const has = { charge: true, capture, cancel, refund: refund !== 'none' };
  const names = ['charge', 'capture', 'cancel', 'refund'] as const;
  return names.filter((name) => has[name]);
}

/** What it takes to prepare a send and to see what became of it. */
function needsOfSend(stage: Stage, name: SendName): readonly Need[] {
  const { refund, refund_needs } = stage.description.provider.capabilities;
  if (name === 'charge') return ['book'];
  const isTold = name === 'refund' && (refund === 'async' || refund_needs === 'provider_receipt');
  const needs = [...needsOf(stage, stage.description.pays), 'book'] as const;
  return isTold ? [...needs, 'callbacks'] : needs;
}

/** Whatever is lost or refused on the way of a send: nothing is done twice, nothing is guessed. */
export function addSendCases(stage: Stage): void {
  for (const name of listSends(stage)) {
    describe(name, () => {
      const needs = needsOfSend(stage, name);
      needing(stage, [...needs, 'faults'], (it) => {
        addLostCases(stage, name, it);
        addRefusedCases(stage, name, it);
      });
      needing(stage, needs, (it) => addKeyCases(stage, name, it));
      needing(stage, [...needs, 'switch'], (it) => addUnsentCase(stage, name, it));
    });
  }
}

/** Enough for the call to arrive, on a busy machine too. */
const LOST_TIMEOUT_MS = 3_000;

/** Makes it so that the answer is lost. @throws Error unless the client calls that ambiguous. */
async function lose(
  stage: Stage,
  on: SendName,
  send: Send,
  how: LostAnswer,
  isActedOn = true,
): Promise<void> {
  await stage.counterpart().spoil({ on, how, isActedOn });
  const timeout = how === 'timeout' ? { timeoutMs: LOST_TIMEOUT_MS } : {};
  await errorOf(send.make(timeout), 'ambiguous');
}

function isDeduped({ description: { provider } }: Stage): boolean {
  return provider.capabilities.dedupe_window_ms !== null;
}

function addLostCases(stage: Stage, name: SendName, it: jest.It): void {
  const { keyHabits } = stage.description;

  it.each(LOST_ANSWERS)('is ambiguous when it was done, and done once: %s', async (how) => {
    const send = await SENDS[name](stage);
    await lose(stage, name, send, how);
    await send.expectDone();
    if (!isDeduped(stage)) return;
    if (how === '500' && keyHabits.includes('replays_500')) {
      await errorOf(send.make(), 'ambiguous');
    } else {
      expect(await send.make()).toMatchObject({ kind: send.answer });
    }
    await send.expectDone();
  });

  it('is ambiguous when nothing was done, since nobody can tell', async () => {
    const send = await SENDS[name](stage);
    await lose(stage, name, send, 'reset', false);
    await send.expectUndone();
    if (!isDeduped(stage)) return;
    expect(await send.make()).toMatchObject({ kind: send.answer });
    await send.expectDone();
  });

  it('is ambiguous when it is aborted on the way', async () => {
    const send = await SENDS[name](stage);
    const controller = new AbortController();
    await stage.counterpart().spoil({ on: name, how: 'timeout', isActedOn: true });
    const made = errorOf(send.make({ signal: controller.signal }), 'ambiguous');
    setTimeout(() => controller.abort(), 1_500);
    await made;
  });
}

function addRefusedCases(stage: Stage, name: SendName, it: jest.It): void {
  it('takes over how long it is asked to slow down, and nothing was done', async () => {
    const send = await SENDS[name](stage);
    await stage.counterpart().spoil({ on: name, how: '429', retryAfterS: 7 });
    const error = await errorOf(send.make(), 'rate_limited');
    expect(error.retryAfterMs).toBe(7_000);
    await send.expectUndone();
    expect(await send.make()).toMatchObject({ kind: send.answer });
    await send.expectDone();
  });

  if (!stage.description.keyHabits.includes('says_in_progress')) return;
  it('is ambiguous while the first request of its key is under way', async () => {
    const send = await SENDS[name](stage);
    await stage.counterpart().spoil({ on: name, how: 'in_progress' });
    const error = await errorOf(send.make(), 'ambiguous');
    expect(error.retryAfterMs).toBeGreaterThan(0);
    await send.expectUndone();
    expect(await send.make()).toMatchObject({ kind: send.answer });
    await send.expectDone();
  });
}

function addKeyCases(stage: Stage, name: SendName, it: jest.It): void {
  it('does nothing once it is aborted', async () => {
    const send = await SENDS[name](stage);
    await expect(send.make({ signal: AbortSignal.abort() })).rejects.toThrow();
    await send.expectUndone();
  });

  if (!isDeduped(stage)) return;
  it('is done once when one key is sent five times at once', async () => {
    const send = await SENDS[name](stage);
    const sending = Array.from({ length: 5 }, () => send.make().catch(takeBusy));
    const told = new Set((await Promise.all(sending)).map(({ kind }) => kind));
    for (const kind of BUSY) told.delete(kind);
    expect([...told]).toEqual([send.answer]);
    await send.expectDone();
  });
}

/** Stripe asks to slow down where two requests meet at one object. */
const BUSY = ['ambiguous', 'rate_limited'] as const;

/** What may be told while another request has the key. @throws any other error, as it came. */
function takeBusy(error: unknown): ProviderError {
  if (error instanceof ProviderError && BUSY.some((kind) => kind === error.kind)) return error;
  throw error;
}

function addUnsentCase(stage: Stage, name: SendName, it: jest.It): void {
  it('knows that nothing was sent when nobody listens', async () => {
    const { description } = stage;
    const counterpart = await description.open(stage.receiver().url);
    const warm = stage.keep(connect(description.provider, counterpart.credentials));
    const cold = stage.keep(connect(description.provider, counterpart.credentials));
    const own = { ...stage, counterpart: () => counterpart, client: () => warm };
    let send: Send;
    try {
      await chargeToEnd(own, description.pays);
      send = await SENDS[name](own);
    } finally {
      // One that stays open would keep the whole run from ending.
      await counterpart.close();
    }
    for (const client of [warm, cold]) await errorOf(send.make({ client }), 'unsent');
  });
}
