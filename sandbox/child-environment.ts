import { join } from 'node:path';
import type { Booted } from './boot-context.ts';
import type { ChildEnv } from './services.ts';
import { listPostgresVariables } from './shell-settings.ts';
import type { WorldOptions } from './world-options.ts';

const POLICIES_PATH = join(import.meta.dirname, 'policies.yaml');

/** What the worker and the API are told; the rest they have from the shell. */
export function listEnvironment(
  parts: Omit<Booted, 'metricsUrls' | 'ownerDatabaseUrl'>,
  options: WorldOptions,
): ChildEnv {
  const { temporal, secrets } = parts;
  return {
    ...(options.temporal === undefined ? hide(listTemporalVariables()) : {}),
    ...(options.databaseUrl === undefined ? hide(listPostgresVariables(process.env)) : {}),
    DATABASE_URL: parts.databaseUrl,
    // What runs has no use for the owner's.
    MALIPO_MIGRATE_DATABASE_URL: undefined,
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    MALIPO_ENVIRONMENT: 'sandbox',
    // Whoever runs this is its merchant too.
    MALIPO_ALLOW_LOOPBACK: 'true',
    MALIPO_API_HOST: '127.0.0.1',
    MALIPO_PUBLIC_URL: parts.apiUrls[0],
    MALIPO_TEMPORAL_UI_URL: temporal.uiUrl ?? undefined,
    MALIPO_DATA_KEYS: secrets.data_keys,
    MALIPO_HASH_KEY: secrets.hash_key,
    MALIPO_TOKEN_KEYS: secrets.token_keys,
    MALIPO_POLICIES: process.env.MALIPO_POLICIES || POLICIES_PATH,
    MALIPO_LOG_LEVEL: process.env.MALIPO_LOG_LEVEL ?? 'info',
    ...Object.fromEntries(parts.simulators.flatMap((it) => Object.entries(it.credentials))),
    ...options.environment,
  };
}

/** A TLS or profile setting for another server would make ours unreachable. */
function hide(names: readonly string[]): ChildEnv {
  return Object.fromEntries(names.map((name) => [name, undefined]));
}

function listTemporalVariables(): readonly string[] {
  return Object.keys(process.env).filter((name) => name.startsWith('TEMPORAL_'));
}
