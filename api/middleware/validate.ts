import type { z } from 'zod';
import { describeIssue } from '../../domain/fault-words.ts';
import { type Fault, faulty } from '../errors.ts';
import { suggest } from './neighbours.ts';

/** Whoever has more has another problem; an answer must not grow far beyond its request. */
const FAULTS_MAX = 50;

/** Where a value came from: an address has parameters, and texts alone. */
export type Part = 'body' | 'query';

/** The value in its validated form. @throws ApiError naming many faults at once. */
export function validate<T extends z.ZodType>(
  schema: T,
  value: unknown,
  part: Part = 'body',
): z.output<T> {
  const repeated = part === 'query' ? findRepeated(value) : [];
  if (repeated.length > 0) throw faulty('invalid_request', repeated);
  const parsed = schema.safeParse(value, { error: describeIssue });
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.flatMap((issue) => toFaults(schema, issue, part));
  throw faulty('invalid_request', faults.slice(0, FAULTS_MAX));
}

/** A parameter that is repeated in an address is read as a list, and no parameter is one. */
function findRepeated(query: unknown): readonly Fault[] {
  const given = typeof query === 'object' && query !== null ? Object.entries(query) : [];
  return given
    .filter(([, value]) => Array.isArray(value))
    .slice(0, FAULTS_MAX)
    .map(([name]) => ({ pointer: pointerOf([name]), detail: 'is given more than once' }));
}

function toFaults(schema: z.ZodType, issue: z.core.$ZodIssue, part: Part): readonly Fault[] {
  // What is wrong with a key is told by the key's own rule, not by the record that it stands in.
  if (issue.code === 'invalid_key') {
    return issue.issues.map(({ message }) => ({ pointer: pointerOf(issue.path), detail: message }));
  }
  if (issue.code !== 'unrecognized_keys') {
    return [{ pointer: pointerOf(issue.path), detail: issue.message }];
  }
  return issue.keys.slice(0, FAULTS_MAX).map((key) => {
    const path = [...issue.path, key];
    return { pointer: pointerOf(path), detail: suggest(schema, path, part === 'query') };
  });
}

/** A JSON Pointer (RFC 6901), with what a client sent cut to a sane length. */
export function pointerOf(path: readonly PropertyKey[]): string {
  const quote = (part: PropertyKey) =>
    String(part).slice(0, 60).replace(/~/g, '~0').replace(/\//g, '~1');
  return path.map((part) => `/${quote(part)}`).join('');
}
