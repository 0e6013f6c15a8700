import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startNodeChild } from '../../sandbox/node-child.ts';
import { readCommandLine, sendSignal } from '../../sandbox/process.ts';
import { type Service, Supervisor } from '../../sandbox/supervisor.ts';
import { makeFolder, removeFolder, until, writeProgram } from './folder.ts';

const CHILD = `
import { appendFileSync } from 'node:fs';
const { NAME, DIARY } = process.env;
const write = (what) => appendFileSync(DIARY, what + ' ' + NAME + '\\n');
process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => { write('ends'); setTimeout(() => process.exit(0), 60); });
write('starts');
process.send({ type: 'ready' });
`;

let folder: string;
let diary: string;
let said: string[];
const supervisors: Supervisor[] = [];

beforeEach(() => {
  folder = makeFolder();
  diary = join(folder, 'diary');
  said = [];
  writeProgram(folder, 'child.mjs', CHILD);
});

afterEach(async () => {
  for (const supervisor of supervisors.splice(0)) await supervisor.stop();
  removeFolder(folder);
});

function supervise(restartsDead: boolean): Supervisor {
  const supervisor = new Supervisor({ restartsDead, say: (line) => said.push(line) });
  supervisors.push(supervisor);
  return supervisor;
}

function describeChild(name: string, file = 'child.mjs'): Service {
  return {
    name,
    start: (onSpawn) =>
      startNodeChild({
        title: name,
        file: join(folder, file),
        env: { NAME: name, DIARY: diary },
        logPath: join(folder, `${name}.log`),
        readyLimitMs: 30_000,
        onSpawn,
      }),
  };
}

const readDiary = () => fs.readFileSync(diary, 'utf8').trim().split('\n');
const pidOf = (supervisor: Supervisor, name: string) => supervisor.listProcesses()[name]?.pid ?? 0;

test('services end in the reverse order of their start, one after the other', async () => {
  const supervisor = supervise(true);
  for (const name of ['first', 'second', 'third']) await supervisor.add(describeChild(name));
  const pids = Object.values(supervisor.listProcesses()).map(({ pid }) => pid);
  await supervisor.stop();
  expect(readDiary()).toEqual([
    'starts first',
    'starts second',
    'starts third',
    'ends third',
    'ends second',
    'ends first',
  ]);
  expect(pids.map(readCommandLine)).toEqual([null, null, null]);
});

test('a program that listens to its channel all its life ends in good order too', async () => {
  const program = `
import { appendFileSync } from 'node:fs';
process.on('disconnect', () => undefined);
process.once('SIGTERM', () => appendFileSync(process.env.DIARY, 'drains\\n'));
process.once('exit', () => appendFileSync(process.env.DIARY, 'ends\\n'));
process.send({ type: 'ready' });
`;
  writeProgram(folder, 'listening.mjs', program);
  const supervisor = supervise(true);
  await supervisor.add(describeChild('api', 'listening.mjs'));
  await supervisor.stop();
  expect(readDiary()).toEqual(['drains', 'ends']);
});

test('a killed service is started again, and that is said', async () => {
  const supervisor = supervise(true);
  await supervisor.add(describeChild('worker'));
  const before = pidOf(supervisor, 'worker');
  sendSignal(before, 'SIGKILL');
  const isAnother = (pid: number) => pid !== 0 && pid !== before;
  await until(() => pidOf(supervisor, 'worker'), isAnother);
  await supervisor.start('worker');
  expect(said).toEqual(['worker ended (SIGKILL)', 'worker runs again']);
  expect(readDiary()).toEqual(['starts worker', 'starts worker']);
});

test('without restarts a killed service stays down until it is started', async () => {
  const supervisor = supervise(false);
  await supervisor.add(describeChild('worker'));
  await supervisor.kill('worker', 'SIGKILL');
  await sleep(600);
  expect(supervisor.listProcesses()).toEqual({});
  await supervisor.start('worker');
  expect(readCommandLine(pidOf(supervisor, 'worker'))).toContain('child.mjs');
});

test('nothing is started again while everything is being ended', async () => {
  const supervisor = supervise(true);
  await supervisor.add(describeChild('worker'));
  sendSignal(pidOf(supervisor, 'worker'), 'SIGKILL');
  await supervisor.stop();
  expect(readDiary()).toEqual(['starts worker']);
  await expect(supervisor.add(describeChild('late'))).rejects.toThrow('stopped');
});

test('a service that ends before it is ready fails with the last lines of its log', async () => {
  writeProgram(folder, 'broken.mjs', `console.error('no such key'); process.exit(7);`);
  const started = supervise(true).add(describeChild('api', 'broken.mjs'));
  await expect(started).rejects.toMatchObject({
    part: 'api',
    reason: expect.stringMatching(/ended at once \(exit code 7\)\n[\s\S]*no such key/),
    remedy: expect.stringContaining('api.log'),
  });
});

test('a service that hangs while starting is ended when everything ends', async () => {
  writeProgram(folder, 'hanging.mjs', 'setInterval(() => undefined, 1000);');
  const supervisor = supervise(true);
  const started = supervisor.add(describeChild('api', 'hanging.mjs'));
  const failure = expect(started).rejects.toThrow('ended at once (SIGTERM)');
  const pid = await until(
    () => pidOf(supervisor, 'api'),
    (found) => found !== 0,
  );
  await supervisor.stop();
  await failure;
  expect(readCommandLine(pid)).toBeNull();
});

test('children and guarded processes end when the supervising process is killed', async () => {
  const sandbox = (file: string) =>
    fileURLToPath(new URL(`../../sandbox/${file}`, import.meta.url));
  const owner = `
import { spawn } from 'node:child_process';
import { guardProcesses } from '${sandbox('guard.ts')}';
import { startNodeChild } from '${sandbox('node-child.ts')}';
const other = spawn('sleep', ['300'], { detached: true, stdio: 'ignore' });
guardProcesses({ pids: [other.pid], signal: 'SIGTERM', folder: '${join(folder, 'temporary')}' });
const child = await startNodeChild({
  title: 'child', file: '${join(folder, 'child.mjs')}', logPath: '${join(folder, 'child.log')}',
  env: { NAME: 'child', DIARY: '${diary}' }, readyLimitMs: 30000,
});
console.log(JSON.stringify([other.pid, child.pid]));
`;
  fs.mkdirSync(join(folder, 'temporary'));
  const process = spawnOwner(writeProgram(folder, 'owner.mjs', owner));
  const pids = await process.pids;
  expect(pids.map(readCommandLine)).not.toContain(null);
  process.kill();
  const isOver = (commands: (string | null)[]) => commands.every((command) => command === null);
  await until(() => pids.map(readCommandLine), isOver);
  await until(
    () => fs.existsSync(join(folder, 'temporary')),
    (exists) => !exists,
  );
});

function spawnOwner(file: string): { pids: Promise<number[]>; kill: () => void } {
  const owner = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const pids = new Promise<number[]>((resolve) => {
    owner.stdout.once('data', (data: Buffer) => resolve(JSON.parse(data.toString())));
  });
  return { pids, kill: () => owner.kill('SIGKILL') };
}
