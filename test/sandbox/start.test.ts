import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { SandboxDetails } from '../../sandbox/details.ts';
import { removePostgresData } from '../../sandbox/postgres-files.ts';

/** `npm start` as a person runs it: what it prints, what it leaves, and that it comes back. */
const START = fileURLToPath(new URL('../../sandbox/start.ts', import.meta.url));

type Started = {
  readonly child: ChildProcess;
  readonly printed: () => string;
  readonly said: () => string;
};

let home: string;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'malipo-start-'));
  chmodSync(home, 0o755);
});
afterAll(() => {
  removePostgresData(join(home, 'postgres'));
  rmSync(home, { recursive: true, force: true });
});

function start(args: readonly string[]): Started {
  const child = spawn(process.execPath, [START, ...args], {
    env: { ...process.env, MALIPO_HOME: home, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const texts = { printed: '', said: '' };
  child.stdout.on('data', (data: Buffer) => {
    texts.printed += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    texts.said += data.toString();
  });
  return { child, printed: () => texts.printed, said: () => texts.said };
}

async function untilPrinted({ child, printed, said }: Started, text: string): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    if (printed().includes(text)) return;
    if (child.exitCode !== null) break;
    await sleep(100);
  }
  throw new Error(`it did not print ${text}: ${printed()}\n${said()}`);
}

/** Ctrl-C, and what is left after it: no process and no port. */
async function endBySignal({ child, said }: Started, details: SandboxDetails): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGINT');
  const [code] = await ended;
  expect([code, said()]).toEqual([130, expect.stringContaining('Ended; the data is kept')]);
  const alive = Object.entries(details.pids).filter(([, pid]) => isAlive(pid));
  expect(alive).toEqual([]);
  for (const address of addressesOf(details)) {
    expect([address, await isOpen(new URL(address))]).toEqual([address, false]);
  }
}

/** All that is listened at. */
function addressesOf(details: SandboxDetails): readonly string[] {
  const { api_url, database_url, temporal_address, temporal_ui_url } = details;
  const simulators = Object.values(details.simulators).map(({ url = '' }) => url);
  const metrics = Object.values(details.metrics_urls);
  const temporal = [`tcp://${temporal_address}`, temporal_ui_url ?? ''];
  return [api_url, database_url, ...temporal, ...simulators, ...metrics];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function isOpen({ hostname, port }: URL): Promise<boolean> {
  const socket = connect(Number(port), hostname);
  const tell = (answer: boolean) => {
    socket.destroy();
    return answer;
  };
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(tell(true)));
    socket.once('error', () => resolve(tell(false)));
  });
}

const pay = async ({ api_url, api_key }: SandboxDetails) => {
  const answer = await fetch(`${api_url}/api/v1/payments`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${api_key}`,
      'idempotency-key': 'first-1',
      'content-type': 'application/json',
    },
    body: JSON.stringify({ provider: 'cpay', amount: 10_000, currency: 'KES' }),
  });
  const body: { readonly id: string } = JSON.parse(await answer.text());
  return { status: answer.status, id: body.id };
};

async function show({ api_url, api_key }: SandboxDetails, path: string) {
  const headers = { authorization: `Bearer ${api_key}` };
  const answer = await fetch(`${api_url}/api/v1/payments${path}`, { headers });
  const { workflow: _newPorts, ...shown } = JSON.parse(await answer.text());
  return { status: answer.status, shown };
}

test('it prints one document, replaces a taken port, keeps the data, leaves nothing', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const first = start(['--json', '--port', String(port)]);
  await untilPrinted(first, '\n}\n');
  const details: SandboxDetails = JSON.parse(first.printed());
  expect(JSON.parse(readFileSync(join(home, 'sandbox.json'), 'utf8'))).toEqual(details);
  expect(details).toMatchObject({
    api_key: expect.stringMatching(/^sk_test_/),
    temporal_namespace: 'default',
    temporal_ui_url: expect.stringMatching(/^http:/),
    simulators: { mpesa: { url: expect.any(String), handset_url: expect.any(String) } },
  });
  expect(Object.keys(details.pids)).toEqual(
    expect.arrayContaining(['supervisor', 'postgres', 'temporal', 'worker', 'api']),
  );
  expect(new URL(details.api_url).port).not.toBe(String(port));
  expect(first.said()).toContain(String(port));
  taken.close();
  const paid = await pay(details);
  expect(paid.status).toBe(201);
  expect((await fetch(details.temporal_ui_url ?? '')).status).toBe(200);
  for (const address of addressesOf(details)) {
    expect([address, await isOpen(new URL(address))]).toEqual([address, true]);
  }
  const before = await show(details, `/${paid.id}`);
  expect(before).toMatchObject({ status: 200, shown: { status: 'succeeded' } });
  await endBySignal(first, details);

  const second = start(['--port', '0']);
  await untilPrinted(second, 'Ctrl-C ends it all.');
  const again: SandboxDetails = JSON.parse(readFileSync(join(home, 'sandbox.json'), 'utf8'));
  expect(second.printed()).toContain(again.api_key);
  expect(await show(again, `/${paid.id}`)).toEqual(before);
  expect(await pay(again)).toEqual({ status: 200, id: paid.id });
  expect((await show(again, '')).shown.data).toMatchObject([{ id: paid.id }]);
  await endBySignal(second, again);
}, 180_000);

test.each([
  [['--handset', 'robot'], '--handset robot is unknown'],
  [['--port', 'eighty'], '--port eighty is no port'],
  [['--jsn'], 'Unknown option'],
])('%j is refused with the usage', async (args, reason) => {
  const refused = start(args);
  const [code] = await once(refused.child, 'exit');
  expect([code, refused.said(), refused.printed()]).toEqual([
    2,
    expect.stringMatching(new RegExp(`${reason}[\\s\\S]*Usage: npm start`)),
    '',
  ]);
});
