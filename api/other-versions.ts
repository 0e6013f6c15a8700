import { Counter, type Registry } from 'prom-client';

/** Which version of its provider's API an account's events were written in, other than ours. */
export type OtherVersion = {
  readonly provider: string;
  readonly account: string;
  readonly version: string;
};

/** An account can sign any version that it likes: so many are remembered. */
const REMEMBERED_MAX = 200;
const VERSION_MAX = 40;

/** What this process has seen of events in other versions; each is told once. */
export function createOtherVersions(registers: Registry[]) {
  const counter = new Counter({
    name: 'malipo_callbacks_other_version_total',
    help: 'Providers’ events in another version of their API than the one we read',
    labelNames: ['provider'],
    registers,
  });
  const seen = new Map<string, OtherVersion>();
  return {
    /** @returns true for the first event of its account in this version. */
    count({ provider, account, version: told }: OtherVersion): boolean {
      counter.inc({ provider });
      const version = told.slice(0, VERSION_MAX);
      const key = JSON.stringify([account, version]);
      if (seen.has(key) || seen.size >= REMEMBERED_MAX) return false;
      seen.set(key, { provider, account, version });
      return true;
    },
    list: (provider: string): readonly OtherVersion[] =>
      [...seen.values()].filter((it) => it.provider === provider),
  };
}
export type OtherVersions = ReturnType<typeof createOtherVersions>;
