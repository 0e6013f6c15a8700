import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSimulator } from '../../providers/mpesa/simulator.ts';
import {
  closeAll,
  idOf,
  openDesk,
  openReceiver,
  PUSH,
  PUSH_PATH,
} from './mpesa-simulator-harness.ts';

/** The ledger is what all money proofs rest on, so it must be right about charges. */
const PROMPT = {
  checkout_request_id: 'ws_CO_1',
  merchant_request_id: 'm-1',
  phone: '254700000099',
  amount: 100,
  account_reference: 'R1',
  callback_url: 'http://127.0.0.1:1/nobody',
  short_code: '174379',
  created_at: '2026-11-24T00:00:00.000Z',
  state: 'ringing',
  result_code: null,
  answered_at: null,
};
const CHARGE = {
  checkout_request_id: 'ws_CO_1',
  receipt: 'UKO0000001',
  phone: '254700000099',
  amount: 100,
  account_reference: 'R1',
  at: '2026-11-24T00:00:01.000Z',
};
const line = (entry: object) => `${JSON.stringify(entry)}\n`;

let folder: string;
let ledgerPath: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'malipo-simulator-'));
  ledgerPath = join(folder, 'ledger.jsonl');
});
afterEach(async () => {
  await closeAll();
  rmSync(folder, { recursive: true, force: true });
});

const settings = { answer_delay_ms: 20, callback: 'never' };
const open = () => startSimulator({ port: 0, ledgerPath, settings });
async function readLedger(url: string) {
  const answer = await fetch(`${url}/simulator/ledger`);
  return JSON.parse(await answer.text());
}

it('charges one prompt once, also when a late success is said twice', async () => {
  writeFileSync(
    ledgerPath,
    line({ kind: 'prompt', prompt: { ...PROMPT, state: 'answered', result_code: '1032' } }),
  );
  const simulator = await open();
  for (let times = 0; times < 2; times += 1) {
    await fetch(`${simulator.url}/simulator/prompts/ws_CO_1/late-success`, { method: 'POST' });
  }
  expect((await readLedger(simulator.url)).charges).toHaveLength(1);
  await simulator.close();
});

it('does not charge again after a kill between the charge and the answer', async () => {
  writeFileSync(
    ledgerPath,
    line({ kind: 'prompt', prompt: PROMPT }) + line({ kind: 'charge', charge: CHARGE }),
  );
  const simulator = await open();
  await new Promise((resolve) => setTimeout(resolve, 100));
  const { charges, prompts } = await readLedger(simulator.url);
  expect(charges).toEqual([CHARGE]);
  expect(prompts).toMatchObject([{ state: 'answered', result_code: '0' }]);
  await simulator.close();
});

it('loses no entry after a line that a kill cut short', async () => {
  writeFileSync(ledgerPath, line({ kind: 'charge', charge: CHARGE }));
  appendFileSync(ledgerPath, '{"kind":"cha');
  const first = await open();
  await fetch(`${first.url}/oauth/v1/generate`);
  await first.close();
  const second = await open();
  expect((await readLedger(second.url)).requests.oauth).toBe(1);
  await second.close();
  expect(readFileSync(ledgerPath, 'utf8')).toContain('"oauth"');
});

/** The kinds of the lines on the disk, of this kind only when named. */
function kindsOnDisk(kind?: string): readonly string[] {
  const lines = readFileSync(ledgerPath, 'utf8').trimEnd().split('\n');
  const kinds = lines.map((text) => String(JSON.parse(text).kind));
  return kind === undefined ? kinds : kinds.filter((it) => it === kind);
}

describe('the ledger', () => {
  const manual = { answer_mode: 'manual' };

  it.each(['reset', 'truncate'])('has a prompt whose answer was lost: %s', async (fault) => {
    const desk = await openDesk({ ledgerPath, settings: manual });
    await desk.control('POST', 'faults', { on: 'push', fault, act: true });
    await expect(desk.push()).rejects.toThrow();
    expect(kindsOnDisk()).toEqual(['request', 'token', 'request', 'prompt']);
  });

  it('has the charge and its receipt on the disk before the callback tells of it', async () => {
    const desk = await openDesk({ ledgerPath, settings: { callback: 'early' } });
    const receiver = await openReceiver(() => kindsOnDisk());
    await desk.push({ CallBackURL: receiver.url });
    expect(receiver.seen).toEqual([['request', 'token', 'request', 'prompt', 'charge', 'answer']]);
  });

  it('is the same after a restart: prompts, charges, callbacks, requests', async () => {
    const first = await openDesk({ ledgerPath, settings: { callback: 'early' } });
    await first.push();
    await first.control('PATCH', 'settings', manual);
    await first.push({ AccountReference: 'SECOND' });
    const before = await first.ledger();
    expect([before.prompts.length, before.charges.length, before.callbacks.length]).toEqual([
      2, 1, 1,
    ]);
    await first.close();
    const second = await startSimulator({ port: 0, ledgerPath, settings: manual });
    expect(await readLedger(second.url)).toEqual(before);
    await second.close();
    expect(kindsOnDisk('charge')).toHaveLength(1);
  });

  it('lets a phone that rang before a restart answer after it', async () => {
    const receiver = await openReceiver();
    const first = await openDesk({ ledgerPath, settings: manual });
    const pushed = await first.push({ CallBackURL: receiver.url });
    await first.close();
    await openDesk({ ledgerPath, settings: { answer_delay_ms: 20 } });
    const [told] = await receiver.take(1);
    expect(told).toMatchObject({ CheckoutRequestID: idOf(pushed), ResultCode: 0 });
  });

  it('remembers over a restart who looked away', async () => {
    const receiver = await openReceiver();
    const first = await openDesk({ ledgerPath, settings: manual });
    const pushed = await first.push({ CallBackURL: receiver.url });
    await first.control('POST', `prompts/${idOf(pushed)}/answer`, { answer: 'ignore' });
    await first.close();
    const brief = { answer_delay_ms: 20, prompt_lifetime_ms: 100 };
    await openDesk({ ledgerPath, settings: brief });
    expect(await receiver.take(1)).toMatchObject([{ ResultCode: 1037 }]);
  });

  it('keeps access tokens over a restart, and nobody can read them', async () => {
    const first = await openDesk({ ledgerPath, settings: manual });
    await first.close();
    const second = await openDesk({ ledgerPath, settings: manual });
    const withOldToken = { authorization: `Bearer ${first.token}` };
    const { status } = await second.ask('POST', PUSH_PATH, PUSH, withOldToken);
    expect(status).toBe(200);
    expect((await second.control('GET', 'ledger')).text).not.toContain(first.token);
  });

  it('does not take a token that ended', async () => {
    const token = 'ended-long-ago';
    writeFileSync(ledgerPath, line({ kind: 'token', token, expires_at_ms: Date.now() - 1 }));
    const desk = await openDesk({ ledgerPath, settings: manual });
    const heard = await desk.ask('POST', PUSH_PATH, PUSH, { authorization: `Bearer ${token}` });
    expect(heard.body.errorCode).toBe('404.001.03');
  });

  it('can be read by phone and by reference', async () => {
    const desk = await openDesk({ settings: manual });
    await desk.push();
    const other = { PartyA: '254700000098', PhoneNumber: '254700000098' };
    await desk.push({ ...other, AccountReference: 'OTHER' });
    const read = async (query: string) =>
      JSON.parse((await desk.control('GET', `ledger?${query}`)).text).prompts;
    expect(await read('')).toHaveLength(2);
    expect(await read('phone=254700000098')).toMatchObject([{ account_reference: 'OTHER' }]);
    expect(await read('account_reference=ORDER-1')).toMatchObject([{ phone: '254700000099' }]);
    expect(await read('phone=254700000098&account_reference=ORDER-1')).toHaveLength(0);
  });
});
