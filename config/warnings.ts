import type { Log } from './log.ts';

/** What of a deployment can lose payments or leave them waiting, though they are taken. */
export const WARNING_CODES = {
  failover_loses_payments: 'a standby is not synchronous; a failover can lose committed payments',
  crash_loses_payments: 'PostgreSQL confirms what it has not yet written to its disk',
  search_attributes_missing: 'Temporal refuses to start payments',
  schedule_missing: 'nothing starts the sweeper, which picks up what a crash left',
  schedule_outdated: 'the sweeper runs by another policy than the worker was given',
  schedule_paused: 'somebody paused the sweeper',
  sweeper_late: 'no round of the sweeper has ended for minutes',
  fairness_off: 'Temporal does not let merchants take turns; a busy one makes all others wait',
  fairness_unknown: 'Temporal does not tell whether merchants take turns',
  notifications_unheard: 'live events come by a look each second, not by notification',
  test_money: 'an account of the deployment moves no real money',
  unencrypted_connection: 'PostgreSQL or Temporal is reached over a network without TLS',
} as const satisfies Record<string, string>;
export type WarningCode = keyof typeof WARNING_CODES;

/** `detail` says what is wrong and how to mend it, for the person who runs this. */
export type Warning = { readonly code: WarningCode; readonly detail: string };

/** Tells the log of each warning once when it appears, and once when it is gone. */
export function createWarningLog(log: Log): (warnings: readonly Warning[]) => void {
  let told = new Map<WarningCode, string>();
  return (warnings) => {
    const current = new Map(warnings.map(({ code, detail }) => [code, detail]));
    for (const [code, detail] of current) {
      if (told.get(code) !== detail) log.warn({ warning: code }, detail);
    }
    for (const code of told.keys()) {
      if (!current.has(code)) log.info({ warning: code }, 'this warning no longer applies');
    }
    told = current;
  };
}
