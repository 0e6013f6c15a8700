import { Client } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import type { ActivityDeps } from '../activities/index.ts';
import type { Env } from '../config/env.ts';
import type { Log } from '../config/log.ts';
import { createOutageLog } from '../config/outage-log.ts';
import { createCallbackTokens } from '../db/callback-token.ts';
import { openLazyPool, type Pool } from '../db/pool.ts';
import { configIdOf, openCredentials } from '../db/provider-configs.ts';
import { createVault, sayUnreadable, type Vault } from '../db/vault.ts';
import { ProviderError } from '../domain/error.ts';
import { hashOfPaymentWorkflowId, hashOfRefundWorkflowId } from '../domain/id.ts';
import { isLoopbackHost } from '../domain/loopback.ts';
import type { ProviderClient } from '../domain/provider.ts';
import { findProvider, withAddress } from '../providers/index.ts';
import { withCleanAnswers } from './clean-answers.ts';
import { withSealedIds } from './sealed-ids.ts';

export type WorkerDeps = ActivityDeps & { close(): Promise<void> };

const POOL_SIZE = 10;
const STATEMENT_TIMEOUT_MS = 5_000;

/** Opens what activities work with. */
export function openDeps(
  env: Env,
  connection: NativeConnection,
  namespace: string,
  log: Log,
): WorkerDeps {
  const pool = openWorkerPool(env, log);
  const tokens = createCallbackTokens(...env.callbackKeys);
  const vault = createVault(env.dataKeys, env.hashKey, sayUnreadable(log));
  const clients = new Map<string, Promise<ProviderClient>>();
  return {
    pool,
    vault,
    temporal: new Client({ connection, namespace }),
    allowsLoopback: env.allowsLoopback,
    callbackUrl(provider, credentialsRef, workflowId, attemptOrdinal) {
      const hash = hashOfPaymentWorkflowId(workflowId);
      const webhook = findProvider(provider)?.webhook;
      if (hash === null || webhook === undefined) throw new Error(`no callback for ${workflowId}`);
      const { channel } = webhook;
      if (webhook.verify !== undefined) {
        const configId = configIdOf(credentialsRef);
        return `${env.publicUrl}/api/v1/webhooks/${channel}${configId === null ? '' : `/${configId}`}`;
      }
      const token = tokens.issue('payment', hash, attemptOrdinal);
      return `${env.publicUrl}/api/v1/webhooks/${channel}/${token}`;
    },
    refundCallbackUrls(provider, workflowId) {
      const hash = hashOfRefundWorkflowId(workflowId);
      if (hash === null) throw new Error(`no callback for ${workflowId}`);
      const urls = (findProvider(provider)?.refundWebhooks ?? []).map(({ channel }, index) => {
        const token = tokens.issue('refund', hash, index + 1);
        return [channel, `${env.publicUrl}/api/v1/webhooks/${channel}/${token}`];
      });
      return Object.fromEntries(urls);
    },
    async clientFor(provider, credentialsRef) {
      const key = `${provider}/${credentialsRef}`;
      const held =
        clients.get(key) ?? connectProvider(env, { pool, vault }, provider, credentialsRef);
      clients.set(key, held);
      try {
        return await held;
      } catch (error) {
        clients.delete(key);
        throw error;
      }
    },
    async close() {
      const open = await Promise.allSettled(clients.values());
      for (const client of open) if (client.status === 'fulfilled') await client.value.close();
      await pool.end();
    },
  };
}

function openWorkerPool({ databaseUrl }: Env, log: Log): Pool {
  return openLazyPool(
    { databaseUrl, size: POOL_SIZE, statementTimeoutMs: STATEMENT_TIMEOUT_MS },
    createOutageLog(log, {
      failing: 'the worker waits for the database',
      working: 'the worker has reached the database',
    }),
  );
}

/** @throws ProviderError misconfigured when there are none, or no simulator where they need one. */
async function openStored(
  env: Env,
  { pool, vault }: { readonly pool: Pool; readonly vault: Vault },
  name: string,
  credentialsRef: string,
): Promise<Readonly<Record<string, string>>> {
  const stored = await openCredentials(pool, vault, credentialsRef);
  if (stored === null) {
    throw new ProviderError('misconfigured', `there are no credentials ${credentialsRef}`);
  }
  const record = withAddress(env.providers, name, stored);
  if (record !== null) {
    if (env.allowsLoopback || !isOnThisMachine(record.base_url)) return record;
    // Stored when this machine was the merchant's own; here it would be a way in.
    throw new ProviderError('misconfigured', `${credentialsRef} is a simulator’s, on this machine`);
  }
  const detail = `these credentials are for the simulator of ${name}, and none runs here: set MALIPO_${name.toUpperCase()}_BASE_URL to its address, or store them with its base_url`;
  throw new ProviderError('misconfigured', detail);
}

/**
 * Credentials by reference: `env:<provider>` is the deployment's own MALIPO_<PROVIDER>_…,
 * `config:<id>@<version>` a merchant's, which is never changed once written.
 */
async function connectProvider(
  env: Env,
  { pool, vault }: { readonly pool: Pool; readonly vault: Vault },
  name: string,
  credentialsRef: string,
): Promise<ProviderClient> {
  const provider = findProvider(name);
  if (provider === null) throw new ProviderError('misconfigured', `there is no provider ${name}`);
  const isOwn = credentialsRef === `env:${name}`;
  const record = isOwn
    ? (env.providers[name] ?? {})
    : await openStored(env, { pool, vault }, name, credentialsRef);
  const reading = provider.readCredentials(record);
  if (reading.ok) {
    const client = withCleanAnswers(provider.connect(reading.credentials));
    return provider.idsArePersonal === true ? withSealedIds(client, vault) : client;
  }
  const prefix = isOwn ? `MALIPO_${name.toUpperCase()}_` : '';
  const faults = reading.faults.map((fault) => `${prefix}${fault}`).join('; ');
  throw new ProviderError('misconfigured', `set the provider’s credentials: ${faults}`);
}

function isOnThisMachine(address = ''): boolean {
  return isLoopbackHost(URL.parse(address)?.hostname ?? '');
}
