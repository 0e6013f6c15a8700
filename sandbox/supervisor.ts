import { setTimeout as sleep } from 'node:timers/promises';
import { describeError } from './failure.ts';
import { type ProcessRecord, type Running, sendSignal } from './process.ts';

export type Service = {
  readonly name: string;
  /** Resolves when it is ready; must call `onSpawn` as soon as there is a process. */
  readonly start: (onSpawn: (record: ProcessRecord) => void) => Promise<Running>;
};

export type SupervisorOptions = {
  /** Starts again, with growing pauses, what ended without being asked to. */
  readonly restartsDead: boolean;
  readonly say: (line: string) => void;
  /** Told after every start and end of a process. */
  readonly onChange?: () => void;
};

type Entry = {
  readonly service: Service;
  record: ProcessRecord | null;
  running: Running | null;
  starting: Promise<void> | null;
  startedAtMs: number;
  failures: number;
};

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;
const LIVED_WELL_MS = 30_000;

/** Keeps processes alive in the order they were added, and ends them in the reverse order. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #entries: Entry[] = [];
  readonly #stopping = new AbortController();
  #stopped: Promise<void> | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** The processes that exist now, by the name of their service. */
  listProcesses(): Readonly<Record<string, ProcessRecord>> {
    const records: Record<string, ProcessRecord> = {};
    for (const { service, record } of this.#entries) if (record) records[service.name] = record;
    return records;
  }

  /** The services that were added, in their order. */
  listNames(): readonly string[] {
    return this.#entries.map(({ service }) => service.name);
  }

  /** Starts a service and keeps it; one that does not come up is forgotten, and rejects. */
  async add(service: Service): Promise<void> {
    this.#stopping.signal.throwIfAborted();
    const blank = { record: null, running: null, starting: null, startedAtMs: 0, failures: 0 };
    const entry: Entry = { service, ...blank };
    this.#entries.push(entry);
    try {
      await this.#beginStart(entry);
    } catch (error) {
      this.#forget(entry);
      throw error;
    }
  }

  /** Ends a service for good. */
  async remove(name: string): Promise<void> {
    const entry = this.#find(name);
    this.#forget(entry);
    await entry.starting?.catch(() => undefined);
    await entry.running?.stop();
  }

  /** Sends a signal and waits for the end of that process; no process is no error. */
  async kill(name: string, signal: NodeJS.Signals): Promise<void> {
    const { running } = this.#find(name);
    if (!running) return;
    sendSignal(running.pid, signal);
    await running.exited;
  }

  /** Sees to it that the service runs; waits for a restart that is under way. */
  async start(name: string): Promise<void> {
    const entry = this.#find(name);
    if (entry.starting) await entry.starting;
    else if (!entry.running) await this.#beginStart(entry);
  }

  /** Ends everything, the last started first. Safe to call twice. */
  stop(): Promise<void> {
    this.#stopping.abort(new Error('stopped'));
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  /** Ends everything at once, without ceremony. */
  killAll(): void {
    this.#stopping.abort(new Error('stopped'));
    for (const { pid } of Object.values(this.listProcesses())) sendSignal(pid, 'SIGKILL');
  }

  #forget(entry: Entry): void {
    const index = this.#entries.indexOf(entry);
    if (index >= 0) this.#entries.splice(index, 1);
  }

  #find(name: string): Entry {
    const entry = this.#entries.find(({ service }) => service.name === name);
    if (entry) return entry;
    throw new RangeError(`no service ${name}; there are ${this.listNames().join(', ')}`);
  }

  #note(entry: Entry, record: ProcessRecord | null): void {
    entry.record = record;
    this.#options.onChange?.();
  }

  #beginStart(entry: Entry): Promise<void> {
    const starting = this.#startOnce(entry).finally(() => {
      entry.starting = null;
    });
    entry.starting = starting;
    return starting;
  }

  async #startOnce(entry: Entry): Promise<void> {
    try {
      const running = await entry.service.start((record) => this.#note(entry, record));
      entry.running = running;
      entry.startedAtMs = Date.now();
      this.#note(entry, { pid: running.pid, command: running.command });
      void running.exited.then(({ code, signal }) => {
        this.#handleEnd(entry, signal ?? `exit code ${code}`);
      });
    } catch (error) {
      this.#note(entry, null);
      throw error;
    }
  }

  #handleEnd(entry: Entry, how: string): void {
    entry.running = null;
    this.#note(entry, null);
    if (this.#stopping.signal.aborted || !this.#entries.includes(entry)) return;
    if (Date.now() - entry.startedAtMs > LIVED_WELL_MS) entry.failures = 0;
    this.#options.say(`${entry.service.name} ended (${how})`);
    if (this.#options.restartsDead) entry.starting = this.#restart(entry);
  }

  async #restart(entry: Entry): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** entry.failures, LONGEST_PAUSE_MS);
      entry.failures += 1;
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) break;
      try {
        await this.#startOnce(entry);
        this.#options.say(`${entry.service.name} runs again`);
        break;
      } catch (error) {
        this.#options.say(describeError(error));
      }
    }
    entry.starting = null;
  }

  async #stopAll(): Promise<void> {
    for (const entry of this.#entries.toReversed()) {
      // Whatever is only half started would otherwise be waited for until its own limit.
      if (entry.starting && !entry.running && entry.record) sendSignal(entry.record.pid, 'SIGTERM');
      await entry.starting?.catch(() => undefined);
      await entry.running?.stop();
    }
  }
}
