import { Counter, type Registry } from 'prom-client';

/** Which version of its provider's API an account's events were written in, other than ours. */
export type OtherVersion = {
  readonly provider: string;
  readonly account: string;
  readonly version: string;
};

/** An account can sign any version that it likes: so many of each are remembered. */
const REMEMBERED_MAX = 5;
const VERSION_MAX = 40;

/** What this process has seen of events in other versions; each is told once. */
export function createOtherVersions(registers: Registry[]) {
  const counter = new Counter({
    name: 'malipo_callbacks_other_version_total',
    help: 'Providers’ events in another version of their API than the one we read',
    labelNames: ['provider'],
    registers,
  });
  const seen: OtherVersion[] = [];
  return {
    /** @returns what is to be told, for the first event of its account in this version. */
    count({ provider, account, version }: OtherVersion): OtherVersion | null {
      counter.inc({ provider });
      const other = { provider, account, version: version.slice(0, VERSION_MAX) };
      const ofAccount = seen.filter((it) => it.account === account);
      const isKnown = ofAccount.some((it) => it.version === other.version);
      if (isKnown || ofAccount.length >= REMEMBERED_MAX) return null;
      seen.push(other);
      return other;
    },
    list: (provider: string): readonly OtherVersion[] =>
      seen.filter((it) => it.provider === provider),
  };
}
export type OtherVersions = ReturnType<typeof createOtherVersions>;
