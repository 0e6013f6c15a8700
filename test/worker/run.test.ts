import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pickPort } from '../../sandbox/ports.ts';
import { type Part, runTogether } from '../../worker/together.ts';
import { openProxy } from '../api/proxy.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { openNamespace, temporalAddress } from '../temporal.ts';

/** Runs until it is told to shut down; `fail` ends it as a worker ends that lost its namespace. */
function openPart() {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let state: ReturnType<Part['getState']> = 'INITIALIZED';
  const part: Part = {
    getState: () => state,
    async run() {
      state = 'RUNNING';
      await promise;
    },
    shutdown() {
      if (state !== 'RUNNING') throw new Error(`it is ${state}`);
      state = 'STOPPED';
      resolve();
    },
  };
  const fail = (error: Error) => {
    state = 'FAILED';
    reject(error);
  };
  return { part, fail };
}
const until = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));

test('when one part fails, all others end, and the failure is told', async () => {
  const [first, second, third] = [openPart(), openPart(), openPart()];
  const dispatching: AbortSignal[] = [];
  const running = runTogether([first.part, second.part, third.part], (signal) => {
    dispatching.push(signal);
    return until(signal);
  });
  second.fail(new Error('the namespace is gone'));
  await expect(running).rejects.toThrow('the namespace is gone');
  expect([first.part.getState(), third.part.getState()]).toEqual(['STOPPED', 'STOPPED']);
  expect(dispatching.map(({ aborted }) => aborted)).toEqual([true]);
});

test('when the dispatcher fails, the workers end', async () => {
  const { part } = openPart();
  const running = runTogether([part], () => Promise.reject(new Error('the dispatcher broke')));
  await expect(running).rejects.toThrow('the dispatcher broke');
  expect(part.getState()).toBe('STOPPED');
});

test('when all are told to end, it ends well, and dispatches nothing more', async () => {
  const parts = [openPart(), openPart()];
  let isDispatching = true;
  const running = runTogether(
    parts.map(({ part }) => part),
    async (signal) => {
      await until(signal);
      isDispatching = false;
    },
  );
  for (const { part } of parts) part.shutdown();
  await running;
  expect(isDispatching).toBe(false);
});

describe('the process ends while its parent still listens', () => {
  let database: TestDatabase;
  let child: ChildProcess;
  let lines = '';
  beforeAll(async () => {
    database = await openTestDatabase();
  });
  afterEach(() => child.kill('SIGKILL'));
  afterAll(() => database.close());

  const start = (namespace: string, changes: Readonly<Record<string, string>> = {}) => {
    child = fork(join(import.meta.dirname, '../../worker/main.ts'), {
      stdio: ['ignore', 'pipe', 'ignore', 'ipc'],
      env: {
        PATH: process.env.PATH,
        DATABASE_URL: database.appUrl,
        TEMPORAL_ADDRESS: temporalAddress(),
        TEMPORAL_NAMESPACE: namespace,
        MALIPO_PUBLIC_URL: 'https://pay.example.test',
        MALIPO_DATA_KEYS: `k1:${randomBytes(32).toString('base64')}`,
        MALIPO_HASH_KEY: randomBytes(32).toString('base64'),
        MALIPO_WORKER_HEALTH_PORT: '0',
        ...changes,
      },
    });
    lines = '';
    child.stdout?.on('data', (chunk) => {
      lines += String(chunk);
    });
  };
  const untilLogged = async (line: string) => {
    while (!lines.includes(line)) {
      if (child.exitCode !== null) throw new Error(`it ended: ${lines}`);
      await sleep(20);
    }
  };
  const untilReady = () => once(child, 'message', { signal: AbortSignal.timeout(60_000) });
  const end = async () => {
    const [code] = await once(child, 'exit', { signal: AbortSignal.timeout(30_000) });
    return code;
  };

  /** What a probe of this port hears; null while nobody listens. */
  const probe = (port: number, path = '/readyz') =>
    fetch(`http://127.0.0.1:${port}${path}`).then(
      async (answer) => {
        const body: { readonly reasons?: unknown } = JSON.parse(await answer.text());
        return { status: answer.status, body };
      },
      () => null,
    );
  const untilReasons = async (port: number, reasons: readonly string[]) => {
    for (;;) {
      const heard = await probe(port);
      if (String(heard?.body.reasons) === String(reasons)) return heard?.status;
      if (child.exitCode !== null) throw new Error(`it ended: ${lines}`);
      await sleep(20);
    }
  };

  it('with code 1 when it cannot work', async () => {
    start('there-is-no-such-namespace');
    expect(await end()).toBe(1);
  }, 40_000);

  it('with code 0 when it was told to', async () => {
    await openNamespace('told-to-end');
    const { port } = await pickPort(0);
    start('told-to-end', { MALIPO_WORKER_HEALTH_PORT: String(port) });
    await untilReady();
    expect(await probe(port, '/livez')).toEqual({ status: 200, body: { status: 'ok' } });
    expect(await probe(port)).toMatchObject({ status: 200, body: { status: 'ok' } });
    expect(await probe(port, '/metrics')).toMatchObject({ status: 404 });
    child.kill('SIGTERM');
    expect(await end()).toBe(0);
  }, 100_000);

  it('with code 0 when it is told to while it waits for Temporal', async () => {
    start('default', { TEMPORAL_ADDRESS: '127.0.0.1:1' });
    await untilLogged('the worker waits for Temporal');
    child.kill('SIGTERM');
    expect(await end()).toBe(0);
  }, 60_000);

  it('and not before Temporal and the database are there: it works when they come', async () => {
    await openNamespace('late-temporal');
    const [{ port }, { port: health }] = [await pickPort(0), await pickPort(0)];
    start('late-temporal', {
      MALIPO_WORKER_HEALTH_PORT: String(health),
      TEMPORAL_ADDRESS: `127.0.0.1:${port}`,
      DATABASE_URL: 'postgres://malipo@127.0.0.1:1/nowhere',
    });
    await untilLogged('the worker waits for Temporal');
    expect(await untilReasons(health, ['temporal_unavailable', 'starting'])).toBe(503);
    expect(await probe(health, '/livez')).toMatchObject({ status: 200 });
    const door = await openProxy(`tcp://${temporalAddress()}`, port);
    await untilReady();
    await untilLogged('the worker waits for the database');
    expect(await untilReasons(health, ['database_away'])).toBe(503);
    // However often it tried, the stack stands there once, and what followed is short.
    const waits = lines
      .split('\n')
      .filter((line) => line.includes('the worker waits for Temporal'));
    expect(waits.filter((line) => line.includes('"stack"'))).toHaveLength(1);
    await untilLogged('the worker has reached Temporal');
    await door.shut();
    expect(await untilReasons(health, ['temporal_unavailable', 'database_away'])).toBe(503);
    // Nothing but our own lines: what the SDK's native part says goes through our log.
    for (const line of lines.trim().split('\n')) expect(line).toMatch(/^\{.*\}$/);
    child.kill('SIGTERM');
    expect(await end()).toBe(0);
  }, 100_000);
});
