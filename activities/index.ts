import type { Client } from '@temporalio/client';
import type { Pool } from '../db/pool.ts';
import type { Vault } from '../db/vault.ts';
import type { ProviderClient } from '../domain/provider.ts';
import { createCharge } from './charge.ts';
import { createLookup } from './lookup.ts';
import { createRecord } from './record.ts';
import { createSweep } from './sweep.ts';

export type { ChargeInput } from './charge.ts';
export type { LookupInput } from './lookup.ts';

/** What activities work with; made once for each worker process. */
export type ActivityDeps = {
  readonly pool: Pool;
  readonly vault: Vault;
  readonly temporal: Client;
  /** Where the provider calls back about this attempt; holds the attempt's token. */
  callbackUrl(provider: string, workflowId: string, attemptOrdinal: number): string;
  /** The client of a provider with these credentials; it keeps its access token. */
  clientFor(provider: string, credentialsRef: string): ProviderClient;
};

/** Calls to providers: on a task queue for each provider. */
export function createProviderActivities(deps: ActivityDeps) {
  return { ...createCharge(deps), ...createLookup(deps) };
}

/** Our own books: on the workflows' task queue. */
export function createBookActivities(deps: ActivityDeps) {
  return { ...createRecord(deps), ...createSweep(deps) };
}

export type Activities = ReturnType<typeof createProviderActivities> &
  ReturnType<typeof createBookActivities>;
