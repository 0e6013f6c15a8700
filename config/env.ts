import { z } from 'zod';
import { describeIssue } from '../domain/fault-words.ts';
import { trimPasted } from '../domain/text.ts';
import {
  dataKeys,
  keyBytes,
  metricsPort,
  oidcFaults,
  oidcOf,
  origins,
  placeOf,
  postgresUrl,
  seenText,
} from './env-fields.ts';
import { databaseFaults, productionFaults, type ReadableSettings } from './production.ts';
import { SettingsError } from './settings-error.ts';

/** The only reader of the environment. Every fault is listed at once, without any value. */
export type Env = {
  readonly databaseUrl: string;
  /** The same database past any pooler: notifications do not come through one. */
  readonly listenDatabaseUrl: string;
  readonly apiHost: string;
  readonly apiPort: number;
  /** Where providers reach the API from outside. */
  readonly publicUrl: string;
  readonly temporalUiUrl: string | null;
  readonly dataKeys: readonly { readonly id: string; readonly key: Buffer }[];
  readonly hashKey: Buffer;
  /** They sign callbacks' addresses: the first signs, all verify. Without any, the hash key. */
  readonly callbackKeys: readonly [Buffer, ...Buffer[]];
  /** They sign operators' access tokens: the first signs, all verify. The API needs one. */
  readonly tokenKeys: readonly { readonly id: string; readonly key: Buffer }[];
  /** An issuer of ours for operators, beside our own sign-in; null: none. */
  readonly oidc: {
    readonly issuer: string;
    readonly audience: string;
    readonly jwksUrl: string;
    readonly roleClaim: string;
  } | null;
  /** Where Prometheus reads the API, and the worker, which may share a machine; null: nowhere. */
  readonly metrics: { readonly host: string; readonly port: number } | null;
  readonly workerMetrics: { readonly host: string; readonly port: number } | null;
  /** Where the worker answers probes; null: nowhere. */
  readonly workerHealth: { readonly host: string; readonly port: number } | null;
  /** Whose pages may call the API from a browser. */
  readonly corsOrigins: readonly string[];
  /** How many proxies of ours stand in front; what they say about the caller's address counts. */
  readonly trustedProxies: number;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  readonly policiesPath: string | null;
  /** Whether the money is real: sandbox takes test keys, production live ones. */
  readonly environment: (typeof ENVIRONMENTS)[number];
  /**
   * Whether this machine is the merchants' own, so that their webhooks and simulators may be on its
   * loopback address. On a server that would be a way in to all that listens there.
   */
  readonly allowsLoopback: boolean;
  /** TEMPORAL_* as every Temporal tool reads them. */
  readonly temporal: Readonly<Record<string, string>>;
  /** MALIPO_<PROVIDER>_<FIELD>, such as MALIPO_MPESA_SHORT_CODE, by provider and field. */
  readonly providers: Readonly<Record<string, Readonly<Record<string, string>>>>;
};

const ENVIRONMENTS = ['sandbox', 'production'] as const;
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'silent'] as const;

type Source = Readonly<Record<string, string | undefined>>;

const schema = z.object({
  DATABASE_URL: postgresUrl,
  MALIPO_LISTEN_DATABASE_URL: postgresUrl.optional(),
  MALIPO_MIGRATE_DATABASE_URL: postgresUrl.optional(),
  MALIPO_API_HOST: z.string().min(1).default('127.0.0.1'),
  MALIPO_API_PORT: z.coerce.number<string>().int().min(0).max(65_535).default(8080),
  MALIPO_PUBLIC_URL: seenText.pipe(
    z.url({ protocol: /^https?$/, error: 'must be an http(s):// address' }),
  ),
  MALIPO_TEMPORAL_UI_URL: z.url().optional(),
  MALIPO_DATA_KEYS: dataKeys,
  MALIPO_HASH_KEY: keyBytes,
  MALIPO_CALLBACK_KEYS: dataKeys.optional(),
  MALIPO_TOKEN_KEYS: dataKeys.optional(),
  MALIPO_OIDC_ISSUER: seenText.pipe(z.url()).optional(),
  MALIPO_OIDC_AUDIENCE: seenText.optional(),
  MALIPO_OIDC_JWKS_URL: seenText
    .pipe(z.url({ protocol: /^https$/, error: 'must be https://' }))
    .optional(),
  MALIPO_OIDC_ROLE_CLAIM: z.string().min(1).default('malipo_role'),
  MALIPO_METRICS_HOST: z.string().min(1).default('127.0.0.1'),
  MALIPO_METRICS_PORT: metricsPort,
  MALIPO_METRICS_WORKER_PORT: metricsPort,
  MALIPO_WORKER_HEALTH_HOST: z.string().min(1).default('127.0.0.1'),
  MALIPO_WORKER_HEALTH_PORT: z.coerce.number<string>().int().min(0).max(65_535).default(8081),
  MALIPO_CORS_ORIGINS: origins.default([]),
  MALIPO_TRUSTED_PROXIES: z.coerce.number<string>().int().min(0).max(10).default(0),
  MALIPO_LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
  MALIPO_POLICIES: z.string().min(1).optional(),
  MALIPO_ENVIRONMENT: z.enum(ENVIRONMENTS).default('production'),
  MALIPO_ALLOW_LOOPBACK: z
    .enum(['true', 'false'])
    .default('false')
    .transform((text) => text === 'true'),
  TEMPORAL_API_KEY: seenText.optional(),
});

/** What MALIPO_ENVIRONMENT says, for what needs nothing else. @throws EnvError */
export function readEnvironment(given: Source = process.env): Env['environment'] {
  return parse(schema.pick({ MALIPO_ENVIRONMENT: true }), withoutEmpty(given)).MALIPO_ENVIRONMENT;
}

/** What DATABASE_URL says, for what works on the database alone. @throws EnvError */
export function readDatabaseUrl(given: Source = process.env): string {
  return readDatabase(schema.pick({ DATABASE_URL: true }), given).DATABASE_URL;
}

/**
 * The database as its tables' owner sees it; null where only DATABASE_URL is set, which is another
 * login's. @throws EnvError
 */
export function readOwnerDatabaseUrl(given: Source = process.env): string | null {
  const part = schema.pick({ MALIPO_MIGRATE_DATABASE_URL: true });
  return readDatabase(part, given).MALIPO_MIGRATE_DATABASE_URL ?? null;
}

function readDatabase<S extends z.ZodType<ReadableSettings>>(part: S, given: Source): z.output<S> {
  const read = parse(part, withoutEmpty(given));
  const faults = readEnvironment(given) === 'production' ? databaseFaults(read) : [];
  if (faults.length > 0) throw new EnvError(faults);
  return read;
}

function parse<S extends z.ZodType>(part: S, source: Source): z.output<S> {
  const parsed = part.safeParse(source, { error: describeIssue });
  if (!parsed.success) throw new EnvError(parsed.error.issues.map(faultOf(source)));
  return parsed.data;
}

/**
 * What was pasted with blanks or line ends around it is read without. What is then empty is not
 * set: a line of .env that nobody filled in, and what Compose passes on without a value, must not
 * differ from a line that is not there.
 */
function withoutEmpty(given: Source): Source {
  const trimmed = Object.entries(given).map(([name, value]) => [name, trimPasted(value ?? '')]);
  return Object.fromEntries(trimmed.filter(([, value]) => value !== ''));
}

export class EnvError extends SettingsError {
  /** @param faults one line for each variable, naming it and how to mend it. */
  constructor(faults: readonly string[]) {
    super(`the environment is not complete:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
    this.name = 'EnvError';
  }
}

/** What is known before all of it is right, for faults that only the caller can find. */
type Found = Pick<Env, 'providers' | 'environment'> & { readonly hasTokenKeys: boolean };

/**
 * Reads and checks the environment.
 * @param providerNames which MALIPO_<NAME>_… groups to gather.
 * @param findMore the caller's own faults, told with the others.
 * @throws EnvError listing every fault.
 */
export function readEnv(
  providerNames: readonly string[],
  given: Source = process.env,
  findMore: (found: Found) => readonly string[] = () => [],
): Env {
  const source = withoutEmpty(given);
  const parsed = schema.safeParse(source, { error: describeIssue });
  const issues = parsed.error?.issues ?? [];
  const readable = readWithout(source, new Set(issues.map(({ path }) => String(path[0]))));
  const environment = readable.MALIPO_ENVIRONMENT ?? 'production';
  const providers = gatherProviders(providerNames, source);
  const hasTokenKeys = source.MALIPO_TOKEN_KEYS !== undefined;
  const faults = [
    ...issues.map(faultOf(source)),
    ...oidcFaults(source),
    ...(environment === 'production' ? productionFaults(readable) : []),
    ...findMore({ providers, environment, hasTokenKeys }),
  ];
  if (!parsed.success || faults.length > 0) throw new EnvError(faults);
  const env = parsed.data;
  const callbackKeys = (env.MALIPO_CALLBACK_KEYS ?? []).map(({ key }) => key);
  const [firstCallbackKey = env.MALIPO_HASH_KEY, ...formerCallbackKeys] = callbackKeys;
  return {
    databaseUrl: env.DATABASE_URL,
    listenDatabaseUrl: env.MALIPO_LISTEN_DATABASE_URL ?? env.DATABASE_URL,
    apiHost: env.MALIPO_API_HOST,
    apiPort: env.MALIPO_API_PORT,
    publicUrl: env.MALIPO_PUBLIC_URL.replace(/\/$/, ''),
    temporalUiUrl: env.MALIPO_TEMPORAL_UI_URL?.replace(/\/$/, '') ?? null,
    dataKeys: env.MALIPO_DATA_KEYS,
    hashKey: env.MALIPO_HASH_KEY,
    callbackKeys: [firstCallbackKey, ...formerCallbackKeys],
    tokenKeys: env.MALIPO_TOKEN_KEYS ?? [],
    oidc: oidcOf(env, env.MALIPO_OIDC_ROLE_CLAIM),
    metrics: placeOf(env.MALIPO_METRICS_HOST, env.MALIPO_METRICS_PORT),
    workerMetrics: placeOf(env.MALIPO_METRICS_HOST, env.MALIPO_METRICS_WORKER_PORT),
    workerHealth: placeOf(
      env.MALIPO_WORKER_HEALTH_HOST,
      env.MALIPO_WORKER_HEALTH_PORT || undefined,
    ),
    corsOrigins: env.MALIPO_CORS_ORIGINS,
    trustedProxies: env.MALIPO_TRUSTED_PROXIES,
    logLevel: env.MALIPO_LOG_LEVEL,
    policiesPath: env.MALIPO_POLICIES ?? null,
    environment: env.MALIPO_ENVIRONMENT,
    allowsLoopback: env.MALIPO_ALLOW_LOOPBACK,
    temporal: withPrefix(source, 'TEMPORAL_', (name) => `TEMPORAL_${name}`),
    providers,
  };
}

/** All that is well formed, as if the rest were not set. */
function readWithout(source: Source, malformed: ReadonlySet<string>) {
  const kept = Object.entries(source).filter(([name]) => !malformed.has(name));
  return schema.partial().safeParse(Object.fromEntries(kept)).data ?? {};
}

function gatherProviders(names: readonly string[], source: Source): Env['providers'] {
  return Object.fromEntries(
    names.map((name) => [
      name,
      withPrefix(source, `MALIPO_${name.toUpperCase()}_`, (field) => field.toLowerCase()),
    ]),
  );
}

function faultOf(source: Source) {
  return (issue: z.core.$ZodIssue): string => {
    const name = String(issue.path[0]);
    return source[name] === undefined ? `${name}: is missing` : `${name}: ${issue.message}`;
  };
}

function withPrefix(
  source: Source,
  prefix: string,
  rename: (rest: string) => string,
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(source)) {
    if (value === undefined || !name.startsWith(prefix)) continue;
    found[rename(name.slice(prefix.length))] = value;
  }
  return found;
}
