import type { Context } from 'koa';
import { koaBody } from 'koa-body';
import { ApiError, faulty } from '../errors.ts';
import { pointerOf } from './validate.ts';

const BODY_LIMIT = '64kb';

const parse = koaBody({
  json: true,
  jsonLimit: BODY_LIMIT,
  jsonStrict: true,
  text: false,
  urlencoded: false,
  multipart: false,
  onError: (error) => {
    throw toApiError(error);
  },
});

/** Deeper than any request of ours; what recurses over a body must not run out of stack. */
const DEPTH_MAX = 32;

/** A JSON body of at most 64 KB; anything else is refused. */
export async function readJsonBody(ctx: Context): Promise<unknown> {
  if (!ctx.is('application/json')) {
    const detail = 'send a JSON object, {} at the least, with Content-Type: application/json';
    throw new ApiError('unsupported_media_type', detail);
  }
  try {
    await parse(ctx, () => Promise.resolve());
  } catch (error) {
    // What is left unread would stop the connection, and a client that still sends with it.
    ctx.req.unpipe();
    ctx.req.resume();
    throw error;
  }
  const body: unknown = ctx.request.body;
  if (isDeeperThan(body, DEPTH_MAX)) {
    throw new ApiError('malformed_json', `the body may nest ${DEPTH_MAX} levels at most`);
  }
  return body;
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((part) => isDeeperThan(part, levels - 1));
}

const PROTO = '__proto__';

function toApiError(error: Error): ApiError {
  const status = 'status' in error ? error.status : null;
  if (status === 413) {
    return new ApiError('body_too_large', `the body may hold ${BODY_LIMIT} at most`);
  }
  if (status === 415) {
    return new ApiError('unsupported_media_type', 'send JSON in UTF-8, without exotic encodings');
  }
  const pointer = 'body' in error ? findProtoIn(String(error.body)) : null;
  if (pointer !== null) {
    const detail = 'is not a field that can be stored';
    return faulty('invalid_request', [{ pointer, detail }]);
  }
  return new ApiError('malformed_json', 'the body could not be read as one JSON object');
}

/** Where a body that is JSON has the one name that the parser refuses; null where it has not. */
function findProtoIn(text: string): string | null {
  try {
    return findProto(JSON.parse(text), DEPTH_MAX);
  } catch {
    return null;
  }
}

function findProto(value: unknown, levels: number): string | null {
  if (typeof value !== 'object' || value === null || levels === 0) return null;
  if (Object.hasOwn(value, PROTO)) return `/${PROTO}`;
  for (const [key, part] of Object.entries(value)) {
    const found = findProto(part, levels - 1);
    if (found !== null) return `${pointerOf([key])}${found}`;
  }
  return null;
}
