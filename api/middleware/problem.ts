import type { Middleware } from 'koa';
import { PasswordsBusyError } from '../../db/password.ts';
import { isDatabaseUnavailable, isReadOnly } from '../../db/unavailable.ts';
import type { ApiDeps, ApiState } from '../deps.ts';
import { ApiError, newRequestId, PROBLEMS, presentProblem } from '../errors.ts';
import { holdsCardNumber } from './card-number.ts';
import { nameCaller, nameSubject } from './subject.ts';

const PASSWORDS_BUSY_RETRY_S = 2;
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
    ctx.state.requestId = isTaken ? given : newRequestId();
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
      if (problem.retryAfterS !== null) ctx.set('Retry-After', String(problem.retryAfterS));
      ctx.body = presentProblem(problem, ctx.state.requestId, publicUrl);
      ctx.type = 'application/problem+json';
    }
    const route = '_matchedRoute' in ctx ? String(ctx._matchedRoute) : null;
    const seconds = (performance.now() - startedMs) / 1000;
    metrics.countRequest(route ?? 'none', ctx.method, ctx.status, seconds);
    log.info(
      {
        request_id: ctx.state.requestId,
        method: ctx.method,
        route,
        status: ctx.status,
        ...nameSubject('params' in ctx ? ctx.params : {}, ctx.body),
        ...nameCaller(ctx.state.caller),
        remote_address: ctx.ip,
        duration_ms: Math.round(seconds * 1000),
      },
      'a request was answered',
    );
  };
}

function notFound(): ApiError {
  return new ApiError('not_found', 'no route has this path; /docs lists what there is');
}

function wrongMethod(): ApiError {
  return new ApiError('method_not_allowed', 'the Allow header names the methods of this path');
}

/** Errors of PostgreSQL's absence are the caller's to try again, all others are ours to mend. */
export function toProblem(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof PasswordsBusyError) {
    const detail = 'many sign in at this moment; come again after Retry-After';
    return new ApiError('rate_limited', detail, [], PASSWORDS_BUSY_RETRY_S);
  }
  if (isReadOnly(error)) {
    const detail = 'the database takes no writes at the moment; nothing was lost, retry';
    return new ApiError('temporarily_unavailable', detail);
  }
  if (isDatabaseUnavailable(error)) {
    return new ApiError('temporarily_unavailable', 'the database is away; nothing was lost, retry');
  }
  return new ApiError('internal_error', 'the error was logged under this request_id');
}
