import { Client } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import type { ActivityDeps } from '../activities/index.ts';
import type { Env } from '../config/env.ts';
import { createCallbackTokens } from '../db/callback-token.ts';
import { openPool } from '../db/pool.ts';
import { createVault } from '../db/vault.ts';
import { ProviderError } from '../domain/error.ts';
import { hashOfPaymentWorkflowId } from '../domain/id.ts';
import type { ProviderClient } from '../domain/provider.ts';
import { findProvider } from '../providers/index.ts';

export type WorkerDeps = ActivityDeps & { close(): Promise<void> };

const POOL_SIZE = 10;
const STATEMENT_TIMEOUT_MS = 5_000;

/** Opens what activities work with. */
export async function openDeps(
  env: Env,
  connection: NativeConnection,
  namespace: string,
): Promise<WorkerDeps> {
  const pool = await openPool({
    databaseUrl: env.databaseUrl,
    size: POOL_SIZE,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
  });
  const tokens = createCallbackTokens(env.hashKey);
  const clients = new Map<string, ProviderClient>();
  return {
    pool,
    vault: createVault(env.dataKeys, env.hashKey),
    temporal: new Client({ connection, namespace }),
    callbackUrl(provider, workflowId, attemptOrdinal) {
      const hash = hashOfPaymentWorkflowId(workflowId);
      const channel = findProvider(provider)?.webhook.channel;
      if (hash === null || channel === undefined) throw new Error(`no callback for ${workflowId}`);
      return `${env.publicUrl}/api/v1/webhooks/${channel}/${tokens.issue(hash, attemptOrdinal)}`;
    },
    clientFor(provider, credentialsRef) {
      const key = `${provider}/${credentialsRef}`;
      const client = clients.get(key) ?? connectProvider(env, provider, credentialsRef);
      clients.set(key, client);
      return client;
    },
    async close() {
      await Promise.all([...clients.values()].map((client) => client.close()));
      await pool.end();
    },
  };
}

/** Credentials by reference: `env:<provider>` is the deployment's own MALIPO_<PROVIDER>_… */
function connectProvider(env: Env, name: string, credentialsRef: string): ProviderClient {
  const provider = findProvider(name);
  if (provider === null) throw new ProviderError('misconfigured', `there is no provider ${name}`);
  if (credentialsRef !== `env:${name}`) {
    throw new ProviderError('misconfigured', `there are no credentials ${credentialsRef}`);
  }
  const reading = provider.readCredentials(env.providers[name] ?? {});
  if (reading.ok) return provider.connect(reading.credentials);
  const faults = reading.faults.map((fault) => `MALIPO_${name.toUpperCase()}_${fault}`).join('; ');
  throw new ProviderError('misconfigured', `set the provider’s credentials: ${faults}`);
}
