import { z } from 'zod';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';

const settingsRow = z.object({
  synchronous_commit: z.string(),
  synchronous_standby_names: z.string(),
  fsync: z.string(),
  full_page_writes: z.string(),
  has_standby: z.boolean(),
});
export type DatabaseSettings = z.infer<typeof settingsRow>;

/** What a database may lose that it has confirmed. */
export type DatabaseRisk = {
  readonly code: 'failover_loses_payments' | 'crash_loses_payments';
  readonly detail: string;
};

/**
 * Everything we promise rests on this: what PostgreSQL has committed stays committed. A charge
 * whose claim is lost may be sent a second time.
 */
export async function findDatabaseRisks(db: Connection): Promise<readonly DatabaseRisk[]> {
  return risksOf(
    await db.one(sql.type(settingsRow)`
      SELECT current_setting('synchronous_commit') AS synchronous_commit,
        current_setting('synchronous_standby_names') AS synchronous_standby_names,
        current_setting('fsync') AS fsync,
        current_setting('full_page_writes') AS full_page_writes,
        -- Logical replication is connected to a database, a standby to none.
        EXISTS (SELECT FROM pg_stat_replication JOIN pg_stat_activity USING (pid)
          WHERE datid IS NULL) AS has_standby`),
  );
}

/** Those of these settings, with the remedy of each. */
export function risksOf(settings: DatabaseSettings): readonly DatabaseRisk[] {
  const risks: DatabaseRisk[] = [];
  const unsafe = Object.entries({
    synchronous_commit: settings.synchronous_commit === 'off',
    fsync: settings.fsync === 'off',
    full_page_writes: settings.full_page_writes === 'off',
  }).flatMap(([name, isUnsafe]) => (isUnsafe ? [name] : []));
  if (unsafe.length > 0) {
    const what = unsafe.map((name) => `${name} is off`).join(', ');
    const detail = `A crash of PostgreSQL can lose committed payments: ${what}. Set it to on.`;
    risks.push({ code: 'crash_loses_payments', detail });
  }
  const cause = findAsynchronous(settings);
  if (cause !== null) {
    const remedy =
      'Set synchronous_standby_names and synchronous_commit = on, or never let that standby take over.';
    const detail = `A failover of this database can lose committed payments: ${cause}. ${remedy}`;
    risks.push({ code: 'failover_loses_payments', detail });
  }
  return risks;
}

/** Why a standby that takes over may lack what was committed; null where none is known to. */
function findAsynchronous(settings: DatabaseSettings): string | null {
  const { synchronous_commit, synchronous_standby_names: names, has_standby } = settings;
  if (!has_standby && names === '') return null;
  if (names === '') return 'a standby follows it, and synchronous_standby_names is empty';
  const waits = synchronous_commit !== 'off' && synchronous_commit !== 'local';
  return waits ? null : `synchronous_commit is ${synchronous_commit}, so no standby is waited for`;
}
