import { randomBytes } from 'node:crypto';
import { ID_PREFIXES, type IdKind, makeId } from '../domain/id.ts';

/** A fresh id of this kind, by this machine's clock and randomness. */
export function newId(kind: IdKind): string {
  return makeId(kind, { nowMs: Date.now(), random: randomBytes(10) });
}

/**
 * Where ids of a time begin: they carry it in their first digits, so the primary key helps to find
 * what was made in a time. @param slackMs since clocks differ, and an id is older than its row.
 */
export function idsFrom(kind: IdKind, at: string, slackMs: number): string {
  const ms = Math.max(0, Date.parse(at) + slackMs);
  return `${ID_PREFIXES[kind]}_${ms.toString(16).padStart(12, '0')}`;
}
