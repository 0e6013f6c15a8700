import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Around the write that says what became of it. */
const WRITE = ['before its commit', 'after its commit'] as const;
/**
 * Where what moves money can be cut: around its call to a provider, and around the write that
 * settles it. A capture is not claimed: its key alone guards it.
 */
export const CUTS = {
  charge: ['before the claim', 'between claim and send', 'after the answer', ...WRITE],
  capture: ['before the send', 'after the answer', ...WRITE],
  refund: ['before the claim', 'between claim and send', 'after the answer', ...WRITE],
} as const;
/** A call that moves money. */
export type Step = keyof typeof CUTS;
/** Where in it. */
export type Point = (typeof CUTS)[Step][number];

/** Where each is cut, by its amount in minor units, which is each one's own. */
export type CrashPlan = Readonly<Record<string, Point>>;

/** Whether the point is one of the write's; the others are of the call. */
export const isOfWrite = (point: Point) => WRITE.some((it) => it === point);

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
