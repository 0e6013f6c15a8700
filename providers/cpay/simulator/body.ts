import type { RouterContext } from '@koa/router';
import { Refusal } from './account.ts';

export type Body = Readonly<Record<string, unknown>>;

/** A JSON object, an empty one where nothing was sent; null for anything else. */
export async function readBody(ctx: RouterContext): Promise<Body | null> {
  const chunks: Buffer[] = [];
  for await (const chunk of ctx.req) chunks.push(Buffer.from(chunk));
  try {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString() || '{}');
    const isObject = typeof body === 'object' && body !== null && !Array.isArray(body);
    return isObject ? { ...body } : null;
  } catch {
    return null;
  }
}

/** @throws Refusal naming the first field that is none of these. */
export function requireKnown(body: Body, fields: readonly string[]): void {
  const strange = Object.keys(body).find((field) => !fields.includes(field));
  if (strange !== undefined) throw new Refusal(422, 'unknown', strange);
}

/** @throws Refusal naming the field. */
export function countOf(body: Body, field: string): number {
  const value = body[field];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
  throw new Refusal(422, 'invalid', field);
}

/** @throws Refusal naming the field. */
export function textOf(body: Body, field: string): string {
  const value = body[field];
  if (typeof value === 'string' && value !== '') return value;
  throw new Refusal(422, 'invalid', field);
}

/** True where it was not sent. @throws Refusal naming the field. */
export function flagOf(body: Body, field: string): boolean {
  const value = body[field] ?? true;
  if (typeof value === 'boolean') return value;
  throw new Refusal(422, 'invalid', field);
}

/** @throws Refusal naming the field. */
export function textsOf(body: Body, field: string): Record<string, string> {
  const entries = Object.entries(body[field] ?? {});
  const texts = entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  if (texts.length === entries.length && !Array.isArray(body[field])) {
    return Object.fromEntries(texts);
  }
  throw new Refusal(422, 'invalid', field);
}
