import { randomBytes } from 'node:crypto';
import { type IdKind, makeId } from '../domain/id.ts';

/** A fresh id of this kind, by this machine's clock and randomness. */
export function newId(kind: IdKind): string {
  return makeId(kind, { nowMs: Date.now(), random: randomBytes(10) });
}
