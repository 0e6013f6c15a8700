import { isLoopbackHost } from '../domain/loopback.ts';
import type { Env } from './env.ts';
import { readSslMode } from './env-fields.ts';
import type { Warning } from './warnings.ts';

type Key = { readonly id: string; readonly key: Buffer };

/** What can be read of the settings; what is malformed is a fault already, and absent here. */
export type ReadableSettings = {
  readonly DATABASE_URL?: string | undefined;
  readonly MALIPO_LISTEN_DATABASE_URL?: string | undefined;
  readonly MALIPO_MIGRATE_DATABASE_URL?: string | undefined;
  readonly MALIPO_PUBLIC_URL?: string | undefined;
  readonly MALIPO_DATA_KEYS?: readonly Key[] | undefined;
  readonly MALIPO_HASH_KEY?: Buffer | undefined;
  readonly MALIPO_CALLBACK_KEYS?: readonly Key[] | undefined;
  readonly MALIPO_TOKEN_KEYS?: readonly Key[] | undefined;
  readonly MALIPO_ALLOW_LOOPBACK?: boolean | undefined;
};

/** What a setup for trying out may have and real money may not, each with how to mend it. */
export function productionFaults(settings: ReadableSettings): readonly string[] {
  const { MALIPO_PUBLIC_URL: publicUrl } = settings;
  const faults = [...databaseFaults(settings), ...keyFaults(settings)];
  if (publicUrl !== undefined && !publicUrl.toLowerCase().startsWith('https://')) {
    faults.push(
      'MALIPO_PUBLIC_URL: must be https:// in production: the address of a callback is its proof',
    );
  }
  if (settings.MALIPO_ALLOW_LOOPBACK === true) {
    faults.push(
      'MALIPO_ALLOW_LOOPBACK: is for a sandbox on one’s own machine; in production leave it out',
    );
  }
  return faults;
}

const DATABASES = [
  'DATABASE_URL',
  'MALIPO_LISTEN_DATABASE_URL',
  'MALIPO_MIGRATE_DATABASE_URL',
] as const;

/** Phones, keys and everything else go there: without TLS that has to be said, not forgotten. */
export function databaseFaults(settings: ReadableSettings): readonly string[] {
  return DATABASES.flatMap((name) => {
    const address = settings[name];
    if (address === undefined || isLocalDatabase(address)) return [];
    if (readSslMode(address) !== null) return [];
    return [
      `${name}: is on another machine and does not say how it is reached: add ?sslmode=verify-full, or ?sslmode=disable where nobody else is on the network between`,
    ];
  });
}

/** Whether it is reached without a network: by the loopback address or a socket. */
function isLocalDatabase(address: string): boolean {
  const url = new URL(address);
  const hosts = [decodeURIComponent(url.hostname), ...url.searchParams.getAll('host')];
  const named = hosts.filter((host) => host !== '');
  return named.every((host) => host.startsWith('/') || isLoopbackHost(host));
}

const RINGS = [
  'MALIPO_DATA_KEYS',
  'MALIPO_HASH_KEY',
  'MALIPO_CALLBACK_KEYS',
  'MALIPO_TOKEN_KEYS',
] as const;

type NamedKey = { readonly variable: string; readonly id: string | null; readonly key: Buffer };

/** A key that anybody guesses, and one that is known wherever another is. */
function keyFaults(settings: ReadableSettings): string[] {
  const keys = RINGS.flatMap((variable): readonly NamedKey[] => {
    const value = settings[variable] ?? [];
    if (Buffer.isBuffer(value)) return [{ variable, id: null, key: value }];
    // Former callback keys: the hash key is the first of them, until its last payment has ended.
    const counted = variable === 'MALIPO_CALLBACK_KEYS' ? value.slice(0, 1) : value;
    return counted.map(({ id, key }) => ({ variable, id, key }));
  });
  return keys.flatMap((own, index) => {
    const { variable, id, key } = own;
    const name = id === null ? '' : `${id} `;
    const random = 'take a random one of its own: openssl rand -base64 32';
    if (key.every((byte) => byte === key[0])) {
      return [`${variable}: ${name}is one byte 32 times, which anybody guesses: ${random}`];
    }
    const twin = keys.slice(0, index).find((other) => other.key.equals(key));
    if (twin === undefined) return [];
    const its = twin.id === null ? twin.variable : `${twin.id} of ${twin.variable}`;
    return [`${variable}: ${name}is the same key as ${its}: ${random}`];
  });
}

type Temporal = { readonly address?: string | undefined; readonly tls?: unknown };

/**
 * What a deployment may choose, and should know that it did. A name without a dot is another
 * container's on a network that this machine made, and is left out.
 */
export function networkWarnings(
  env: Pick<Env, 'environment' | 'databaseUrl' | 'listenDatabaseUrl'>,
  { address = 'localhost', tls = false }: Temporal,
): readonly Warning[] {
  if (env.environment !== 'production') return [];
  const isOpen = (url: string) =>
    isElsewhere(new URL(url).hostname) && ['disable', 'no-verify'].includes(readSslMode(url) ?? '');
  const found = [
    ...(isOpen(env.databaseUrl) ? ['DATABASE_URL'] : []),
    ...(isOpen(env.listenDatabaseUrl) ? ['MALIPO_LISTEN_DATABASE_URL'] : []),
    ...(tls === false && isElsewhere(address.replace(/:\d+$/, '')) ? ['TEMPORAL_ADDRESS'] : []),
  ];
  if (found.length === 0) return [];
  const detail = `What goes over this network can be read or changed there: ${found.join(', ')}. Use sslmode=verify-full, and TEMPORAL_TLS=true with TEMPORAL_TLS_SERVER_CA_CERT_PATH, unless nobody else is on it.`;
  return [{ code: 'unencrypted_connection', detail }];
}

function isElsewhere(hostname: string): boolean {
  return /[.:]/.test(hostname) && !isLoopbackHost(hostname);
}
