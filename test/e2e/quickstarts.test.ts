import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Malipo, verifyWebhook } from '../../client/index.ts';
import { openStack, type Stack } from './stack.ts';

/** The quickstarts, run as a reader runs them, and the client, against the whole world. */
let stack: Stack;
beforeAll(async () => {
  stack = await openStack();
}, 150_000);
afterAll(async () => {
  for (const server of servers) server.close();
  await stack?.close();
}, 60_000);

const ROOT = join(import.meta.dirname, '..', '..');
const apiUrl = () => stack.world.apiUrls[0] ?? '';
const apiKey = () => stack.world.details().api_key;

async function run(file: string, program: string, changes: Record<string, string> = {}) {
  const child = spawn(program, [join('docs', 'quickstarts', file)], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH ?? '',
      MALIPO_URL: apiUrl(),
      MALIPO_KEY: apiKey(),
      MALIPO_PHONE: stack.phone(),
      ...changes,
    },
  });
  const ended = once(child, 'close');
  const [out, err] = await Promise.all([child.stdout.toArray(), child.stderr.toArray()]);
  const [code] = await ended;
  const lines = Buffer.concat(out).toString().trim().split('\n');
  return { code, lines, complaint: Buffer.concat(err).toString() };
}

/** All payments of who has this phone, however they are told to us. */
async function listPaymentsOf(phone: string): Promise<readonly string[]> {
  const { prompts } = Object.assign(
    { prompts: [] as { readonly account_reference: string }[] },
    await stack.simulate('GET', `ledger?phone=${phone}`),
  );
  const { rows } = await stack.db.query<{ id: string }>(
    `SELECT p.id FROM payments p JOIN payments of_it USING (phone_hash)
     WHERE of_it.reference = $1 ORDER BY p.id`,
    [prompts[0]?.account_reference],
  );
  return rows.map(({ id }) => id);
}

type RefundRow = { readonly id: string; readonly amount: number; readonly receipt: string };
async function listRefunds(paymentId: string): Promise<readonly RefundRow[]> {
  const { rows } = await stack.db.query<RefundRow>(
    `SELECT id, amount::int, provider_receipt AS receipt FROM refunds
     WHERE payment_id = $1 AND status = 'succeeded'`,
    [paymentId],
  );
  return rows;
}

/** Runs it, and finds the one payment that it made. */
async function runOnce(...[file, program, changes]: Parameters<typeof run>) {
  const phone = stack.phone();
  const ended = await run(file, program, { ...changes, MALIPO_PHONE: phone });
  const made = await listPaymentsOf(phone);
  expect([ended.code, ended.complaint.includes('quickstart:'), made.length]).toEqual([0, false, 1]);
  const payment = await stack.get(made[0] ?? '');
  const refunds = await listRefunds(payment.id);
  expect(refunds.map(({ amount }) => amount)).toEqual([4_000]);
  expect(payment).toMatchObject({
    status: 'succeeded',
    amount: 10_000,
    amount_refunded: 4_000,
    amount_refundable: 6_000,
    refund_status: 'partial',
  });
  return { ...ended, payment, refund: refunds[0] };
}

const servers: Server[] = [];
async function listen(server: Server): Promise<string> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}

/** Hands requests on to the API, and loses the first answer to each Idempotency-Key. */
async function openLosingLine() {
  const keys = new Set<string>();
  const server = createServer((request, response) => {
    void request.toArray().then(async (chunks) => {
      const { method = '', url = '', headers } = request;
      const key = String(headers['idempotency-key'] ?? '');
      const answer = await fetch(`${apiUrl()}${url}`, {
        method,
        headers: {
          authorization: headers.authorization ?? '',
          'content-type': 'application/json',
          ...(key === '' ? {} : { 'idempotency-key': key }),
        },
        ...(method === 'GET' ? {} : { body: Buffer.concat(chunks) }),
      });
      const text = await answer.text();
      const isLost = key !== '' && !keys.has(key);
      if (isLost) {
        keys.add(key);
        request.socket.resetAndDestroy();
      } else response.writeHead(answer.status, { 'content-type': 'application/json' }).end(text);
    });
  });
  return { url: await listen(server), keys };
}

describe.each([
  ['quickstart.sh', 'bash'],
  ['quickstart.ts', process.execPath],
  ['quickstart.py', 'python3'],
])('%s', (...it) => {
  test.concurrent('pays, pays no second time, and gives a part back', async () => {
    const { lines, complaint, payment, refund } = await runOnce(...it);
    expect(complaint).toBe('');
    expect(lines).toEqual([
      expect.stringMatching(
        /^1\. Asked 2547\d+ for KES 100\.00: pay_\w+ is (processing|succeeded)$/,
      ),
      `2. Asked again with the same key: ${payment.id}, the same payment`,
      `3. Waited for the payer: succeeded, M-Pesa receipt ${payment.provider_receipt}`,
      expect.stringMatching(
        /^4\. Asked M-Pesa to give back KES 40\.00: ref_\w+ is (pending|succeeded)$/,
      ),
      `5. Waited for M-Pesa: succeeded, receipt ${refund?.receipt}`,
      '6. Refunded: partial; KES 60.00 are left',
    ]);
    expect(lines[0]).toContain(payment.id);
    expect(lines[3]).toContain(refund?.id);
  });

  test.concurrent('does so once over a line that loses answers', async () => {
    const line = await openLosingLine();
    await runOnce(...it, { MALIPO_URL: line.url });
    expect(line.keys.size).toBe(2);
  });

  test.concurrent.each([
    [
      'the payer cancels',
      () => ({ MALIPO_PHONE: stack.phone('01') }),
      /payment is canceled: .*cancel/,
    ],
    [
      'the key is wrong',
      () => ({ MALIPO_KEY: 'sk_test_nobodys' }),
      /401 unauthorized: no API key looks like this/,
    ],
    ['there is no key', () => ({ MALIPO_KEY: '' }), /set MALIPO_KEY/],
    ['no address is set', () => ({ MALIPO_URL: '' }), /MALIPO_URL: run `. .malipo\/env`/],
    ['nobody is there', () => ({ MALIPO_URL: 'http://127.0.0.1:9' }), /(no answer|not answered)/],
  ])('says so when %s', async (_what, changes, expected) => {
    const { code, complaint } = await run(...it, changes());
    expect(code).toBe(1);
    expect(complaint.split('\n').find((line) => line.startsWith('quickstart:'))).toMatch(expected);
  });
});

/** What stays the same of an answer: ids, receipts and addresses are each run's own. */
const masked = (line: string) =>
  line
    .replaceAll(/127\.0\.0\.1:\d+/g, 'HOST')
    .replaceAll(/\b(pay|ref|pi)_[0-9a-z]+/g, '$1_ID')
    .replace(/provider_receipt=[A-Z0-9]{10}$/, 'provider_receipt=RECEIPT');

/** In a shell that knows nothing of the sandbox but its folder. */
async function runAsWritten(script: string): Promise<string> {
  const here = script.replace(/^\. \.malipo\/env\b/m, `. '${stack.world.details().env_file}'`);
  expect(here).not.toBe(script);
  const env = { PATH: process.env.PATH ?? '' };
  const child = spawn('bash', ['-u', '-c', here], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  return Buffer.concat(await child.stdout.toArray()).toString();
}

test.concurrent('README.md’s first payment is made as it is written', async () => {
  const page = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const [, block = ''] = /```sh\n(\. \.malipo\/env.*?)```/s.exec(page) ?? [];
  const payment = JSON.parse(await runAsWritten(block));
  expect(payment).toMatchObject({ object: 'payment', amount: 10_000, provider: 'mpesa' });
});

test.concurrent('docs/trying-it.md runs as it is written, and comes to what it says', async () => {
  const page = readFileSync(join(ROOT, 'docs', 'trying-it.md'), 'utf8');
  const [head = ''] = page.split('## Your own account');
  const blocks = [...head.matchAll(/```sh\n(.*?)```/gs)].map(([, block = '']) => block);
  const said = (await runAsWritten(blocks.join('\n'))).trim().split('\n');
  const told = blocks
    .slice(1)
    .flatMap((block) => block.split('\n').filter((line) => line.startsWith('# ')));
  expect(told.length).toBeGreaterThan(20);
  expect(said.map(masked)).toEqual(told.map((line) => masked(line.slice(2))));
}, 120_000);

test('what Malipo POSTs is verified by the client, and only with the secret', async () => {
  const malipo = new Malipo({ apiKey: apiKey(), baseUrl: apiUrl() });
  const received: { readonly request: IncomingMessage; readonly body: Buffer }[] = [];
  const server = createServer((request, response) => {
    void request.toArray().then((chunks) => {
      received.push({ request, body: Buffer.concat(chunks) });
      response.end();
    });
  });
  const url = `${await listen(server)}/hook`;
  const { id, secret } = await malipo.webhookEndpoints.create({
    url,
    event_types: ['payment.succeeded'],
  });
  const payment = await malipo.payments.create({
    provider: 'cpay',
    amount: 2_500,
    currency: 'KES',
  });
  expect((await malipo.payments.waitFor(payment.id)).status).toBe('succeeded');
  for (let tries = 0; received.length === 0 && tries < 300; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const [first] = received;
  if (first === undefined) throw new Error('nothing came');
  const { request, body } = first;
  const event = verifyWebhook(body, request.headers, String(secret));
  expect(event).toMatchObject({ type: 'payment.succeeded', data: { id: payment.id } });
  expect(await malipo.events.get(event.id)).toMatchObject({ id: event.id, data: event.data });
  const { secret: next } = await malipo.webhookEndpoints.rotateSecret(id);
  expect(() => verifyWebhook(body, request.headers, next)).toThrow('No matching signature');
});
