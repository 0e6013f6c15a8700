import type { Client } from '@temporalio/client';
import type { Pool } from '../db/pool.ts';
import type { Vault } from '../db/vault.ts';
import type { ProviderClient } from '../domain/provider.ts';

/** What activities work with; made once for each worker process. */
export type ActivityDeps = {
  readonly pool: Pool;
  readonly vault: Vault;
  readonly temporal: Client;
  /** Whether merchants' endpoints may be on this machine: in a sandbox only. */
  readonly allowsLoopback: boolean;
  /**
   * Where the provider calls back about this attempt: with a token that proves it, or, where
   * signatures do, for the configuration whose secret signs.
   */
  callbackUrl(
    provider: string,
    credentialsRef: string,
    workflowId: string,
    attemptOrdinal: number,
  ): string;
  /** Where the results of this refund go, by channel; each holds the refund's token. */
  refundCallbackUrls(provider: string, workflowId: string): Readonly<Record<string, string>>;
  /**
   * The client of a provider with these credentials; it keeps its access token.
   * @throws ProviderError `misconfigured` when there are none, or they are not valid.
   */
  clientFor(provider: string, credentialsRef: string): Promise<ProviderClient>;
};
