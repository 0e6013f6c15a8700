import type { Policies } from '../../config/policies.ts';
import type { Pool } from '../../db/pool.ts';
import type { Vault } from '../../db/vault.ts';

/** What the demo is written with, and the number from which all of it follows. */
export type Parts = {
  readonly pool: Pool;
  /** The tables' owner: the application itself may not put anything into the past. */
  readonly owner: Pool;
  readonly vault: Vault;
  readonly policies: Policies;
  readonly seed: number;
};
