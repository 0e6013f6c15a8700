import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Where what moves money can be cut: a call to a provider, or the write that settles a payment. A
 * capture is not claimed: its key alone guards it.
 */
export const CUTS = {
  charge: ['before the claim', 'between claim and send', 'after the answer'],
  capture: ['before the send', 'after the answer'],
  refund: ['before the claim', 'between claim and send', 'after the answer'],
  settle: ['before its commit', 'after its commit'],
} as const;
/** A call that moves money, or the write that says so. */
export type Step = keyof typeof CUTS;
/** Where in it. */
export type Point = (typeof CUTS)[Step][number];

/** What is cut, by its amount in minor units, which is each one's own. */
export type CrashPlan = Readonly<Record<string, { readonly step: Step; readonly point: Point }>>;

/** The plan of a folder and what became of it; the test writes the one, the worker the other. */
export function openPlan(folder: string) {
  const [planned, crashed] = [join(folder, 'crash-plan.json'), join(folder, 'crashed.json')];
  const write = (path: string, what: unknown) => {
    writeFileSync(`${path}.draft`, JSON.stringify(what));
    renameSync(`${path}.draft`, path);
  };
  return {
    make: (plan: CrashPlan) => write(planned, plan),
    /** Null before there is one, and once it was carried out. */
    read(): CrashPlan | null {
      if (!existsSync(planned) || existsSync(crashed)) return null;
      return JSON.parse(readFileSync(planned, 'utf8'));
    },
    /** Which amounts were held when the worker ended itself; it does so only once. */
    markDone: (amounts: readonly string[]) => write(crashed, amounts),
    readDone: (): readonly string[] | null =>
      existsSync(crashed) ? JSON.parse(readFileSync(crashed, 'utf8')) : null,
  };
}
