import type { SimulatorSettings } from './services.ts';

export type PortName = 'api' | 'simulators' | 'temporal' | 'temporal_ui' | 'postgres';
export type Ports = Readonly<Record<PortName, number>>;

/** Simulators say their own. */
export const DEFAULT_PORTS: Omit<Ports, 'simulators'> = {
  api: 8080,
  temporal: 7233,
  temporal_ui: 8233,
  postgres: 5433,
};

/** For a world beside others: any free port for everything. */
export const FREE_PORTS: Ports = {
  api: 0,
  simulators: 0,
  temporal: 0,
  temporal_ui: 0,
  postgres: 0,
};

export type WorldOptions = {
  /** The folder that keeps everything. */
  readonly home: string;
  /** Preferred ports; a taken one is replaced, 0 means any. */
  readonly ports?: Partial<Ports>;
  /** The API's port that must be had: a taken one is an error. In the place of `ports.api`. */
  readonly apiPort?: number | undefined;
  /** Forget what the home holds before starting. */
  readonly isReset?: boolean;
  /** Used instead of a PostgreSQL of our own; its login owns the tables and may make roles. */
  readonly databaseUrl?: string | undefined;
  /** How the API and the worker log in there; a login is made for them where it is not given. */
  readonly appDatabaseUrl?: string | undefined;
  /** Used instead of a Temporal of our own. */
  readonly temporal?: { readonly address: string; readonly namespace: string } | undefined;
  /** The `no_proxy` of shells that would go to the sandbox by way of a proxy. */
  readonly noProxy?: string | undefined;
  /** Laid over the environment of the worker and the API. */
  readonly environment?: Readonly<Record<string, string>>;
  /** A program that runs in the worker's place; for tests that crash it from inside. */
  readonly workerFile?: string;
  /** Default 1. */
  readonly apiProcesses?: number;
  /** Whether the supervisor starts again what died; default true. */
  readonly restartsDead?: boolean;
  /** By provider. */
  readonly simulators?: Readonly<Record<string, SimulatorSettings>>;
  /** PostgreSQL settings as `name=value`. */
  readonly postgresFlags?: readonly string[];
  /** Told each step and whatever is out of the ordinary. */
  readonly say?: (line: string) => void;
  /** Gives up while starting. */
  readonly signal?: AbortSignal;
};
