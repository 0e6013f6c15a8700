import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  closeAll,
  type Desk,
  idOf,
  openDesk,
  openReceiver,
  PUSH_PATH,
} from './mpesa-simulator-harness.ts';

/** An end is an end: nobody who keeps it waiting holds it up, and nothing goes on afterwards. */
const AT_ONCE_MS = 10_000;

afterEach(closeAll);

async function closeTimed(desk: Desk): Promise<number> {
  const startedMs = performance.now();
  await desk.close();
  return performance.now() - startedMs;
}

describe('close', () => {
  it.each([
    ['silent', [0]],
    ['unfinished', [0, 200]],
  ] as const)(
    'cuts off a callback receiver that is %s, and has that in the ledger',
    async (mode, statuses) => {
      const folder = mkdtempSync(join(tmpdir(), 'malipo-simulator-'));
      const ledgerPath = join(folder, 'ledger.jsonl');
      const receiver = await openReceiver(() => null, mode);
      const desk = await openDesk({ ledgerPath, settings: { answer_delay_ms: 0, duplicates: 12 } });
      await desk.push({ CallBackURL: receiver.url });
      await receiver.take(12);
      expect(await closeTimed(desk)).toBeLessThan(AT_ONCE_MS);
      const lines = readFileSync(ledgerPath, 'utf8').trimEnd().split('\n');
      const sent = lines.map((line) => JSON.parse(line)).filter(({ kind }) => kind === 'callback');
      expect(sent).toHaveLength(12);
      for (const { callback } of sent) expect(statuses).toContain(callback.status);
      rmSync(folder, { recursive: true });
    },
  );

  it('cuts off an early callback and a second sending as well', async () => {
    const receiver = await openReceiver(() => null, 'silent');
    const desk = await openDesk({ settings: { answer_mode: 'manual' } });
    const pushed = await desk.push({ CallBackURL: receiver.url });
    await desk.control('PATCH', 'settings', { answer_mode: 'auto', callback: 'early' });
    const phone = '254700000098';
    const waiting = [
      desk.control('POST', `callbacks/${idOf(pushed)}/resend`, {}),
      desk.push({ CallBackURL: receiver.url, PartyA: phone, PhoneNumber: phone }),
    ].map((call) => call.catch(() => 'cut'));
    await receiver.take(2);
    expect(await closeTimed(desk)).toBeLessThan(AT_ONCE_MS);
    expect(await Promise.all(waiting)).toEqual(['cut', 'cut']);
  });

  it('lets go of answers that a fault holds back', async () => {
    const desk = await openDesk();
    await desk.control('POST', 'faults', { on: 'push', fault: 'timeout' });
    const pushed = desk.push().catch(() => 'cut');
    while ((await desk.ledger()).requests.push === 0);
    expect(await closeTimed(desk)).toBeLessThan(AT_ONCE_MS);
    expect(await pushed).toBe('cut');
  });

  it('ends all that was still to happen', async () => {
    const receiver = await openReceiver();
    const desk = await openDesk({ settings: { answer_delay_ms: 300, prompt_lifetime_ms: 300 } });
    await desk.push({ CallBackURL: receiver.url });
    await desk.close();
    const other = await openDesk({ settings: { answer_delay_ms: 600 } });
    const phone = '254700000001';
    await other.push({ CallBackURL: receiver.url, PartyA: phone, PhoneNumber: phone });
    expect(await receiver.take(1)).toMatchObject([{ ResultCode: 1032 }]);
  });

  it('leaves nothing that keeps the process alive', async () => {
    const harness = new URL('./mpesa-simulator-harness.ts', import.meta.url).href;
    const script = `
      const { openDesk, openReceiver } = await import(${JSON.stringify(harness)});
      const receiver = await openReceiver(() => null, 'silent');
      const desk = await openDesk({ settings: { answer_delay_ms: 0 } });
      await desk.control('POST', 'faults', { on: 'query', fault: 'timeout' });
      const { body } = await desk.push({ CallBackURL: receiver.url });
      const asked = desk.query(body.CheckoutRequestID).catch(() => null);
      await receiver.take(1);
      await desk.close();
      await asked;
      await receiver.close();
      console.log('closed');`;
    const args = ['--input-type=module', '-e', script];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
      timeout: 45_000,
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    expect([stdout.trim(), stderr]).toEqual(['closed', '']);
  });

  it('frees the port at once, and may be said twice', async () => {
    const desk = await openDesk();
    await desk.close();
    await desk.close();
    const again = await openDesk({ port: Number(new URL(desk.url).port) });
    expect((await again.ask('GET', PUSH_PATH)).status).toBe(405);
  });
});
