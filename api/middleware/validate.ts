import type { z } from 'zod';
import { ApiError, type Fault } from '../errors.ts';

/** Whoever has more has another problem; an answer must not grow far beyond its request. */
const FAULTS_MAX = 50;

/** The value in its validated form. @throws ApiError naming many faults at once. */
export function validate<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.flatMap(toFaults).slice(0, FAULTS_MAX);
  const detail = faults.map((fault) => `${fault.pointer || 'body'} ${fault.detail}`).join('; ');
  throw new ApiError('invalid_request', detail, faults);
}

function toFaults(issue: z.core.$ZodIssue): readonly Fault[] {
  // What is wrong with a key is told by the key's own rule, not by the record that it stands in.
  if (issue.code === 'invalid_key') {
    return issue.issues.map(({ message }) => ({ pointer: pointerOf(issue.path), detail: message }));
  }
  if (issue.code !== 'unrecognized_keys') {
    return [{ pointer: pointerOf(issue.path), detail: issue.message }];
  }
  return issue.keys.slice(0, FAULTS_MAX).map((key) => ({
    pointer: pointerOf([...issue.path, key]),
    detail: 'is not a field of this request',
  }));
}

/** A JSON Pointer (RFC 6901), with what a client sent cut to a sane length. */
export function pointerOf(path: readonly PropertyKey[]): string {
  const quote = (part: PropertyKey) =>
    String(part).slice(0, 60).replace(/~/g, '~0').replace(/\//g, '~1');
  return path.map((part) => `/${quote(part)}`).join('');
}
