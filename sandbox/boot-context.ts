import { isPortTaken } from './failure.ts';
import type { Home, Secrets } from './home.ts';
import { listPreferred } from './last-ports.ts';
import { pickPort } from './ports.ts';
import type { Supervisor } from './supervisor.ts';
import type { WorldOptions } from './world-options.ts';

export type BootContext = {
  readonly options: WorldOptions;
  readonly home: Home;
  readonly supervisor: Supervisor;
  readonly say: (line: string) => void;
};

/** Where everything turned out to be. */
export type Booted = {
  readonly ownerDatabaseUrl: string;
  /** As the API and the worker log in. */
  readonly databaseUrl: string;
  readonly temporal: TemporalPlace;
  readonly simulators: readonly BootedSimulator[];
  readonly apiUrls: readonly string[];
  /** Where Prometheus reads each process, by the name of its service. */
  readonly metricsUrls: Readonly<Record<string, string>>;
  readonly secrets: Secrets;
};

export type TemporalPlace = {
  readonly address: string;
  readonly namespace: string;
  readonly uiUrl: string | null;
};

export type BootedSimulator = {
  readonly name: string;
  readonly url: string;
  readonly page: string | null;
  readonly credentials: Readonly<Record<string, string>>;
};

/** One part: how long it took is said, and a start that was given up goes no further. */
export async function step<Result>(
  { options, say }: BootContext,
  name: string,
  work: () => Promise<Result>,
): Promise<Result> {
  options.signal?.throwIfAborted();
  const startedMs = performance.now();
  const result = await work();
  options.signal?.throwIfAborted();
  say(`${name}: ready (${((performance.now() - startedMs) / 1000).toFixed(1)} s)`);
  return result;
}

/** A port may be taken between its choice and its use, by a sandbox that starts beside this one. */
const PORT_TRIES = 5;

/**
 * Does what needs free ports, and does it again with others when one of them was taken meanwhile.
 * @param start told on which try it is; from the second on no preferred port is worth a try.
 */
export async function withFreePorts<Result>(
  { say }: BootContext,
  name: string,
  start: (isFirst: boolean) => Promise<Result>,
): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await start(tries === 1);
    } catch (error) {
      if (tries === PORT_TRIES || !isPortTaken(error)) throw error;
      say(`${name}: its port was taken meanwhile; trying another`);
    }
  }
}

/** @param usual taken where the port of last time cannot be had; 0 asks for any. */
export async function choosePort(
  { home, say }: BootContext,
  name: string,
  usual: number,
): Promise<number> {
  const preferred = listPreferred(home, name, usual);
  const { port, wasTaken } = await pickPort(...preferred);
  if (wasTaken) say(`Port ${preferred[0]} is taken: ${name} listens on ${port}`);
  return port;
}
