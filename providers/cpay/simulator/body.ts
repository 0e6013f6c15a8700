import type { RouterContext } from '@koa/router';
import { Refusal } from './account.ts';

export type Body = Readonly<Record<string, unknown>>;

/** A JSON object; an empty one for anything else. */
export async function readBody(ctx: RouterContext): Promise<Body> {
  const chunks: Buffer[] = [];
  for await (const chunk of ctx.req) chunks.push(Buffer.from(chunk));
  try {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString() || '{}');
    return typeof body === 'object' && body !== null ? { ...body } : {};
  } catch {
    return {};
  }
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

export function textsOf(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).map(([key, text]) => [key, String(text)]));
}
