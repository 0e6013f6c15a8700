import type { Middleware } from 'koa';
import { koaBody } from 'koa-body';
import { ApiError } from '../errors.ts';

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

/** Reads a JSON body of at most 64 KB into `ctx.request.body`; anything else is refused. */
export const readJsonBody: Middleware = async (ctx, next) => {
  if (!ctx.is('application/json')) {
    throw new ApiError('unsupported_media_type', 'send Content-Type: application/json');
  }
  await parse(ctx, next);
};

/** The same where the body may be left out. */
export const readOptionalJsonBody: Middleware = async (ctx, next) => {
  if (ctx.request.length === undefined || ctx.request.length === 0) await next();
  else await readJsonBody(ctx, next);
};

function toApiError(error: Error): ApiError {
  const status = 'status' in error ? error.status : null;
  if (status === 413) {
    return new ApiError('body_too_large', `the body may hold ${BODY_LIMIT} at most`);
  }
  if (status === 415) {
    return new ApiError('unsupported_media_type', 'send JSON in UTF-8, without exotic encodings');
  }
  return new ApiError('malformed_json', 'the body could not be read as one JSON object');
}
