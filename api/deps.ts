import type { Env } from '../config/env.ts';
import type { Log } from '../config/log.ts';
import type { LimitName, Policies } from '../config/policies.ts';
import type { CallbackTokens } from '../db/callback-token.ts';
import type { Pool } from '../db/pool.ts';
import type { RateLimits } from '../db/rate-limits.ts';
import type { Vault } from '../db/vault.ts';
import type { Caller } from '../domain/access.ts';
import type { Engine } from '../temporal/engine.ts';
import type { Deployment } from './health/deployment.ts';
import type { ApiMetrics } from './metrics.ts';
import type { Turns } from './payments/turns.ts';
import type { AccessTokens } from './sessions/token.ts';

/** What the routes work with. */
export type ApiDeps = {
  readonly pool: Pool;
  /** Connections that only provider callbacks use: merchants' load cannot starve them. */
  readonly callbackPool: Pool;
  readonly vault: Vault;
  readonly tokens: CallbackTokens;
  readonly accessTokens: AccessTokens;
  readonly engine: Engine;
  readonly policies: Policies;
  readonly limits: RateLimits<LimitName>;
  /** Where callers reach us from outside. */
  readonly publicUrl: string;
  readonly environment: Env['environment'];
  readonly allowsLoopback: boolean;
  readonly corsOrigins: Env['corsOrigins'];
  readonly trustedProxies: Env['trustedProxies'];
  /** The deployment's own credentials, by provider and field. */
  readonly providerEnv: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly metrics: ApiMetrics;
  readonly deployment: Deployment;
  readonly turns: Turns;
  /** True from the signal to end on: requests in progress are finished, nothing new is begun. */
  readonly isDraining: () => boolean;
  readonly log: Log;
  /** Set by tests: every answer is held against its description. */
  readonly checksAnswers?: boolean;
};

/** What a request carries on its way through the middleware. */
export type ApiState = {
  requestId: string;
  /** Who asks, as soon as that is known, let in or not. */
  caller?: Caller;
};
