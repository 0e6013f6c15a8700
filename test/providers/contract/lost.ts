import { ProviderError } from '../../../domain/error.ts';
import { LOST_ANSWERS, type LostAnswer, type Need, type SendName } from './description.ts';
import { chargeToEnd, connect, errorOf, type Harness } from './harness.ts';
import { needing, needsOf } from './needs.ts';
import { SENDS, type Send } from './sends.ts';

/** The sends that a provider has, by its capabilities. */
export function listSends({ description: { provider } }: Harness): readonly SendName[] {
  const { capture, cancel, refund } = provider.capabilities;
  const has = { charge: true, capture, cancel, refund: refund !== 'none' };
  const names = ['charge', 'capture', 'cancel', 'refund'] as const;
  return names.filter((name) => has[name]);
}

/** What it takes to prepare a send and to see what became of it. */
function needsOfSend(harness: Harness, name: SendName): readonly Need[] {
  const { refund, refund_needs } = harness.description.provider.capabilities;
  if (name === 'charge') return ['ledger'];
  const isTold = name === 'refund' && (refund === 'async' || refund_needs === 'provider_receipt');
  const needs = [...needsOf(harness, harness.description.pays), 'ledger'] as const;
  return isTold ? [...needs, 'callbacks'] : needs;
}

/** Whatever is lost or refused on the way of a send: nothing is done twice, nothing is guessed. */
export function addSendCases(harness: Harness): void {
  for (const name of listSends(harness)) {
    describe(name, () => {
      const needs = needsOfSend(harness, name);
      needing(harness, [...needs, 'faults'], (it) => {
        addLostCases(harness, name, it);
        addRefusedCases(harness, name, it);
      });
      needing(harness, needs, (it) => addKeyCases(harness, name, it));
      needing(harness, [...needs, 'switch'], (it) => addUnsentCase(harness, name, it));
    });
  }
}

/** Enough for the call to arrive, on a busy machine too. */
const LOST_TIMEOUT_MS = 3_000;

/** Makes it so that the answer is lost. @throws Error unless the client calls that ambiguous. */
async function lose(
  harness: Harness,
  on: SendName,
  send: Send,
  how: LostAnswer,
  isActedOn = true,
): Promise<void> {
  await harness.counterpart().setFault({ on, how, isActedOn });
  const timeout = how === 'timeout' ? { timeoutMs: LOST_TIMEOUT_MS } : {};
  await errorOf(send.make(timeout), 'ambiguous');
}

function isDeduped({ description: { provider } }: Harness): boolean {
  return provider.capabilities.dedupe_window_ms !== null;
}

function addLostCases(harness: Harness, name: SendName, it: jest.It): void {
  const { keyHabits } = harness.description;

  it.each(LOST_ANSWERS)('is ambiguous when it was done, and done once: %s', async (how) => {
    const send = await SENDS[name](harness);
    await lose(harness, name, send, how);
    await send.expectDone();
    if (!isDeduped(harness)) return;
    if (how === '500' && keyHabits.includes('replays_500')) {
      await errorOf(send.make(), 'ambiguous');
    } else {
      expect(await send.make()).toMatchObject({ kind: send.answer });
    }
    await send.expectDone();
  });

  it('is ambiguous when nothing was done, since nobody can tell', async () => {
    const send = await SENDS[name](harness);
    await lose(harness, name, send, 'reset', false);
    await send.expectUndone();
    if (!isDeduped(harness)) return;
    expect(await send.make()).toMatchObject({ kind: send.answer });
    await send.expectDone();
  });

  it('is ambiguous when it is aborted on the way', async () => {
    const send = await SENDS[name](harness);
    const controller = new AbortController();
    await harness.counterpart().setFault({ on: name, how: 'timeout', isActedOn: true });
    const made = errorOf(send.make({ signal: controller.signal }), 'ambiguous');
    setTimeout(() => controller.abort(), 1_500);
    await made;
  });
}

function addRefusedCases(harness: Harness, name: SendName, it: jest.It): void {
  it('takes over how long it is asked to slow down, and nothing was done', async () => {
    const send = await SENDS[name](harness);
    await harness.counterpart().setFault({ on: name, how: '429', retryAfterS: 7 });
    const error = await errorOf(send.make(), 'rate_limited');
    expect(error.retryAfterMs).toBe(7_000);
    await send.expectUndone();
    expect(await send.make()).toMatchObject({ kind: send.answer });
    await send.expectDone();
  });

  if (!harness.description.keyHabits.includes('says_in_progress')) return;
  it('is ambiguous while the first request of its key is under way', async () => {
    const send = await SENDS[name](harness);
    await harness.counterpart().setFault({ on: name, how: 'in_progress' });
    const error = await errorOf(send.make(), 'ambiguous');
    expect(error.retryAfterMs).toBeGreaterThan(0);
    await send.expectUndone();
    expect(await send.make()).toMatchObject({ kind: send.answer });
    await send.expectDone();
  });
}

function addKeyCases(harness: Harness, name: SendName, it: jest.It): void {
  it('does nothing once it is aborted', async () => {
    const send = await SENDS[name](harness);
    await expect(send.make({ signal: AbortSignal.abort() })).rejects.toThrow();
    await send.expectUndone();
  });

  if (!isDeduped(harness)) return;
  it('is done once when one key is sent five times at once', async () => {
    const send = await SENDS[name](harness);
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

function addUnsentCase(harness: Harness, name: SendName, it: jest.It): void {
  it('knows that nothing was sent when nobody listens', async () => {
    const { description } = harness;
    const counterpart = await description.open(harness.receiver().url);
    const warm = harness.keep(connect(description.provider, counterpart.credentials));
    const cold = harness.keep(connect(description.provider, counterpart.credentials));
    const own = { ...harness, counterpart: () => counterpart, client: () => warm };
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
