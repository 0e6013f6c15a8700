import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSimulator } from '../../providers/mpesa/simulator.ts';

/** The book is what all money proofs rest on, so it must be right about charges. */
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
let bookPath: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'malipo-simulator-'));
  bookPath = join(folder, 'book.jsonl');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const settings = { answer_delay_ms: 20, callback: 'never' };
const open = () => startSimulator({ port: 0, bookPath, settings });
async function readBook(url: string) {
  const answer = await fetch(`${url}/simulator/book`);
  return JSON.parse(await answer.text());
}

it('charges one prompt once, also when a late success is said twice', async () => {
  writeFileSync(
    bookPath,
    line({ kind: 'prompt', prompt: { ...PROMPT, state: 'answered', result_code: '1032' } }),
  );
  const simulator = await open();
  for (let times = 0; times < 2; times += 1) {
    await fetch(`${simulator.url}/simulator/prompts/ws_CO_1/late-success`, { method: 'POST' });
  }
  expect((await readBook(simulator.url)).charges).toHaveLength(1);
  await simulator.close();
});

it('does not charge again after a kill between the charge and the answer', async () => {
  writeFileSync(
    bookPath,
    line({ kind: 'prompt', prompt: PROMPT }) + line({ kind: 'charge', charge: CHARGE }),
  );
  const simulator = await open();
  await new Promise((resolve) => setTimeout(resolve, 100));
  const { charges, prompts } = await readBook(simulator.url);
  expect(charges).toEqual([CHARGE]);
  expect(prompts).toMatchObject([{ state: 'answered', result_code: '0' }]);
  await simulator.close();
});

it('loses no entry after a line that a kill cut short', async () => {
  writeFileSync(bookPath, line({ kind: 'charge', charge: CHARGE }));
  appendFileSync(bookPath, '{"kind":"cha');
  const first = await open();
  await fetch(`${first.url}/oauth/v1/generate`);
  await first.close();
  const second = await open();
  expect((await readBook(second.url)).requests.oauth).toBe(1);
  await second.close();
  expect(readFileSync(bookPath, 'utf8')).toContain('"oauth"');
});
