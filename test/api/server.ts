import { randomBytes, randomUUID } from 'node:crypto';
import { createApp } from '../../api/app.ts';
import type { ApiDeps } from '../../api/deps.ts';
import { watchDeployment } from '../../api/health/deployment.ts';
import type { LiveSettings } from '../../api/live/authenticate.ts';
import { openLive } from '../../api/live/server.ts';
import { type ApiMetrics, createApiMetrics } from '../../api/metrics.ts';
import { LOCAL_LIMITS } from '../../api/middleware/rate-limit.ts';
import { createTurns } from '../../api/payments/turns.ts';
import { listen, SERVER_TIMEOUTS, type ServerTimeouts } from '../../api/server.ts';
import { type AccessTokens, createAccessTokens } from '../../api/sessions/token.ts';
import { createLog } from '../../config/log.ts';
import { type Policies, REQUEST_WAIT_MAX_MS, readPolicies } from '../../config/policies.ts';
import { makeApiKey } from '../../db/api-key.ts';
import { type CallbackTokens, createCallbackTokens } from '../../db/callback-token.ts';
import { newId } from '../../db/ids.ts';
import { ensureApiKey, ensureMerchant } from '../../db/merchants.ts';
import { openPool, type Pool } from '../../db/pool.ts';
import { openRateLimits } from '../../db/rate-limits.ts';
import { POLICY_DEFAULTS } from '../../providers/index.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { requireDescribed } from '../described.ts';
import { MERCHANT, VAULT } from '../factories.ts';
import { createScriptedEngine, type ScriptedEngine } from './engine.ts';
import { openProxy } from './proxy.ts';

/** The deployment's own; two webhook secrets each, as while one is being rotated. */
export const SECRETS = {
  cpay: ['cpay-secret-of-yesterday', 'cpay-secret-of-today'],
  stripe: ['whsec_ofYesterdayOnly', 'whsec_ofTodayOnly'],
} as const;
const PROVIDER_ENV = {
  cpay: {
    base_url: 'http://127.0.0.1:1',
    api_key: 'cpay_test_ofThisTestOnly',
    webhook_secrets: SECRETS.cpay.join(','),
  },
  stripe: { secret_key: 'sk_test_ofThisTestOnly', webhook_secrets: SECRETS.stripe.join(',') },
};

export const TOKEN_CONFIG = {
  tokenKeys: [
    { id: 'today', key: randomBytes(32) },
    { id: 'yesterday', key: randomBytes(32) },
  ],
  publicUrl: 'https://pay.example.test',
  oidc: null,
} as const;

/** Whatever the API answered with; a field that the answer lacks is undefined. */
export type Body = Readonly<Record<string, unknown>> & {
  readonly id: string;
  readonly status: string | number;
  readonly code?: string;
  readonly detail?: string;
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[];
  readonly data: readonly Body[];
  readonly next_cursor?: string | null;
  readonly key?: string;
  readonly access_token?: string;
};
export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Body;
};
export type Sending = {
  readonly body?: object | string;
  /** Added to the usual ones, or in their place. */
  readonly headers?: Readonly<Record<string, string>>;
};
export type Send = (method: string, path: string, sending?: Sending) => Promise<Answer>;

export type TestApi = {
  readonly database: TestDatabase;
  readonly url: string;
  readonly pool: Pool;
  readonly engine: ScriptedEngine;
  readonly tokens: CallbackTokens;
  readonly accessTokens: AccessTokens;
  readonly metrics: ApiMetrics;
  /** As {@link MERCHANT}, with an idempotency key of its own unless one is given. */
  readonly send: Send;
  /** The key that `send` sends. */
  readonly apiKey: string;
  /** Another merchant, as whom one can send. */
  openMerchant(): Promise<{ readonly id: string; readonly apiKey: string; readonly send: Send }>;
  /** From now on the API cannot reach its database; the test still can. */
  cutDatabase(): Promise<void>;
  /** As on a signal to end; resolves when all requests in progress were answered. */
  drain(): Promise<void>;
  close(): Promise<void>;
};

/** As `npm start` sets it. */
const OWN_MACHINE = { environment: 'sandbox', allowsLoopback: true } as const;
/** Tests count to the last request, also where the machine is slow. */
const LIMITS_WAIT_MS = 20_000;

/** What a test may want otherwise. */
export type TestApiOptions = {
  readonly live?: Partial<LiveSettings>;
  readonly rateLimits?: Partial<Policies['api']['rate_limits']>;
  readonly policies?: Partial<Policies['api']>;
  readonly timeouts?: Partial<ServerTimeouts>;
  readonly trustedProxies?: number;
  /** Puts failures between the steps. */
  readonly adapt?: (deps: ApiDeps) => ApiDeps;
};

/** The API as it runs, on a database of its own, with a scripted engine in Temporal's place. */
export async function openTestApi(options: TestApiOptions = {}): Promise<TestApi> {
  const database = await openTestDatabase();
  const proxy = await openProxy(database.appUrl);
  const place = { databaseUrl: proxy.url, size: 10, statementTimeoutMs: 10_000 };
  const pools = [await openPool(place), await openPool(place)] as const;
  const served = await serve(proxy.url, pools, options);
  const { pool } = database;
  const enroll = async (merchant: { readonly id: string; readonly name: string }) => {
    const apiKey = makeApiKey('test');
    await ensureMerchant(pool, merchant);
    await ensureApiKey(pool, { merchantId: merchant.id, apiKey });
    return { id: merchant.id, apiKey, send: sender(served.port, apiKey) };
  };
  const { send, apiKey } = await enroll(MERCHANT);
  return {
    database,
    url: `http://127.0.0.1:${served.port}`,
    pool,
    engine: served.engine,
    tokens: served.tokens,
    accessTokens: served.accessTokens,
    metrics: served.metrics,
    send,
    apiKey,
    openMerchant: () => enroll({ id: newId('merchant'), name: 'Duka la Pili' }),
    cutDatabase: () => proxy.shut(),
    drain: served.drain,
    async close() {
      await served.close();
      await Promise.all(pools.map((each) => each.end()));
      await proxy.shut();
      await database.close();
    },
  };
}

function policiesOf({ rateLimits, policies }: TestApiOptions): Policies {
  const { api: shipped, ...others } = readPolicies(POLICY_DEFAULTS, null);
  const rate_limits = { ...shipped.rate_limits, ...rateLimits };
  // A machine that is slow is no database that is: nothing here is refused for its time.
  const start_wait_ms = REQUEST_WAIT_MAX_MS;
  // A test asks one phone as often as it likes.
  const phone_limit = { open: 1_000, requests: 10_000, per_ms: 3_600_000 };
  // No workflow takes its payments up.
  const waiting_charges = { ...shipped.waiting_charges, fair_ms: 240_000, charges_max: 10_000 };
  const api = { ...shipped, phone_limit, waiting_charges, ...policies, rate_limits, start_wait_ms };
  return { ...others, api };
}

async function serve(
  databaseUrl: string,
  [pool, callbackPool]: readonly [Pool, Pool],
  options: TestApiOptions,
) {
  const engine = createScriptedEngine();
  const tokens = createCallbackTokens(randomBytes(32));
  const policies = policiesOf(options);
  const { rate_limits } = policies.api;
  const limits = openRateLimits(databaseUrl, rate_limits, LOCAL_LIMITS, LIMITS_WAIT_MS);
  let isDraining = false;
  let closing: Promise<void> | null = null;
  const accessTokens = createAccessTokens(TOKEN_CONFIG);
  const log = createLog('test', 'silent');
  const deployment = watchDeployment({ pool, engine, policies, own: [], log });
  const adapt = options.adapt ?? ((deps: ApiDeps) => deps);
  const deps = adapt({
    pool,
    callbackPool,
    vault: VAULT,
    tokens,
    accessTokens,
    engine,
    policies,
    limits,
    publicUrl: TOKEN_CONFIG.publicUrl,
    ...OWN_MACHINE,
    corsOrigins: ['https://shop.example.test'],
    trustedProxies: options.trustedProxies ?? 1,
    providerEnv: PROVIDER_ENV,
    checksAnswers: true,
    metrics: createApiMetrics(pool),
    deployment,
    turns: createTurns({ pool, policies, deployment }),
    isDraining: () => isDraining,
    log,
  });
  const live = openLive(deps, databaseUrl, options.live);
  const at = { host: '127.0.0.1', port: 0, publicUrl: deps.publicUrl };
  const timeouts = { ...SERVER_TIMEOUTS, ...options.timeouts };
  const server = await listen(createApp(deps), at, live, timeouts);
  const drain = () => {
    isDraining = true;
    closing ??= server.close();
    return closing;
  };
  return {
    engine,
    tokens,
    accessTokens,
    metrics: deps.metrics,
    port: server.port,
    drain,
    async close() {
      await drain();
      await limits.close();
    },
  };
}

function sender(port: number, apiKey: string): Send {
  return async (method, path, { body, headers = {} } = {}) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${apiKey}`,
        'idempotency-key': randomUUID(),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined
        ? {}
        : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    const isJson = /[/+]json\b/.test(answer.headers.get('content-type') ?? '');
    const { status, headers: told } = answer;
    requireDescribed({ method, path, status, headers: told, text });
    return { status, headers: told, text, body: JSON.parse(isJson ? text || '{}' : '{}') };
  };
}
