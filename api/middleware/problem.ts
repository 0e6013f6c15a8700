import { randomUUID } from 'node:crypto';
import type { Middleware } from 'koa';
import type { ApiDeps, ApiState } from '../deps.ts';
import { ApiError, PROBLEMS, presentProblem } from '../errors.ts';
import { holdsCardNumber } from './card-number.ts';

const REQUEST_ID = /^[A-Za-z0-9_-]{8,64}$/;

/** Gives each request an id, and each error its form (RFC 9457). */
export function answerProblems({
  log,
  publicUrl,
  metrics,
}: Pick<ApiDeps, 'log' | 'publicUrl' | 'metrics'>): Middleware<ApiState> {
  return async (ctx, next) => {
    const given = ctx.get('X-Request-Id');
    const isTaken = REQUEST_ID.test(given) && !holdsCardNumber(given);
    ctx.state.requestId = isTaken ? given : `req_${randomUUID().replaceAll('-', '')}`;
    ctx.set('X-Request-Id', ctx.state.requestId);
    const startedMs = performance.now();
    try {
      await next();
      if (ctx.status === 404 && ctx.body === undefined) throw notFound();
      if (ctx.status === 405 || ctx.status === 501) throw wrongMethod();
    } catch (error) {
      const problem = toProblem(error);
      if (problem.code === 'internal_error') {
        log.error({ err: error, request_id: ctx.state.requestId }, 'a request failed');
      }
      ctx.status = PROBLEMS[problem.code].status;
      if (PROBLEMS[problem.code].status === 503) ctx.set('Retry-After', '2');
      ctx.body = presentProblem(problem, ctx.state.requestId, publicUrl);
      ctx.type = 'application/problem+json';
    }
    const route = '_matchedRoute' in ctx ? String(ctx._matchedRoute) : null;
    const seconds = (performance.now() - startedMs) / 1000;
    metrics.countRequest(route ?? 'none', ctx.method, ctx.status, seconds);
    log.info({
      request_id: ctx.state.requestId,
      method: ctx.method,
      route,
      status: ctx.status,
      merchant_id: ctx.state.merchantId,
      duration_ms: Math.round(seconds * 1000),
    });
  };
}

function notFound(): ApiError {
  return new ApiError('not_found', 'no route has this path; /docs lists what there is');
}

function wrongMethod(): ApiError {
  return new ApiError('method_not_allowed', 'the Allow header names the methods of this path');
}

/** Errors of PostgreSQL's absence are the caller's to try again, all others are ours to mend. */
function toProblem(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (isDatabaseAway(error)) {
    return new ApiError('temporarily_unavailable', 'the database is away; nothing was lost, retry');
  }
  return new ApiError('internal_error', 'the error was logged under this request_id');
}

const AWAY =
  /ECONNREFUSED|ECONNRESET|connection terminated|ENOTFOUND|timeout|57P0|starting up|shutting down/i;
const AWAY_NAMES = new Set([
  'ConnectionError',
  'BackendTerminatedError',
  'BackendTerminatedUnexpectedlyError',
  'StatementTimeoutError',
]);

/** True when the same again may work in a while. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (AWAY_NAMES.has(error.name)) return true;
  const code = 'code' in error ? String(error.code) : '';
  return AWAY.test(`${error.message} ${code}`) || isDatabaseAway(error.cause);
}
