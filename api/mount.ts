import type { IncomingMessage } from 'node:http';
import { parse as parseQuery } from 'node:querystring';
import Router, { type RouterContext } from '@koa/router';
import { keepRefused, runSeen } from './activity-log.ts';
import type { ApiDeps, ApiState } from './deps.ts';
import { ApiError } from './errors.ts';
import { withoutAddresses } from './internal-addresses.ts';
import { admit } from './middleware/authenticate.ts';
import { refuseCardNumbers } from './middleware/card-number.ts';
import { readJsonBody } from './middleware/json-body.ts';
import { listProblems, type Operation, type Reply } from './operation.ts';

/** Makes the routes of declared operations: the one way from HTTP to a handler and back. */
export function mountOperations(deps: ApiDeps, operations: readonly Operation[]): Router<ApiState> {
  const router = new Router<ApiState>();
  for (const operation of operations) {
    const path = operation.path.replaceAll(/\{(\w+)\}/g, ':$1');
    router[operation.method](path, async (ctx) => {
      try {
        await serve(deps, operation, ctx);
      } catch (error) {
        if (deps.checksAnswers === true) requireDescribedProblem(operation, error);
        throw error;
      }
    });
  }
  return router;
}

async function serve(
  deps: ApiDeps,
  operation: Operation,
  ctx: RouterContext<ApiState>,
): Promise<void> {
  const arrived = {
    requestId: ctx.state.requestId,
    params: ctx.params,
    // Koa's own way takes a tenth of a second for some thousand parts.
    query: operation.query === null ? {} : parseQuery(ctx.querystring),
    headers: ctx.req.headers,
    remoteAddress: ctx.ip,
    raw: ctx.req,
  };
  const entered = await enter(deps, operation, ctx).catch(async (error: unknown) => {
    await keepRefused(deps, operation, { ...arrived, caller: ctx.state.caller }, error);
    throw error;
  });
  const isOperator = entered.caller.kind === 'operator';
  const shown = isOperator ? deps : { ...deps, engine: withoutAddresses(deps.engine) };
  const reply = await runSeen(shown, operation, { ...arrived, ...entered });
  if (deps.checksAnswers === true) requireDescribed(operation, reply);
  ctx.status = reply.status;
  ctx.body = reply.body;
  const { contentType } = operation.answers[reply.status] ?? {};
  if (typeof contentType === 'string') ctx.type = contentType;
  for (const [name, value] of Object.entries(reply.headers ?? {})) ctx.set(name, value);
}

async function enter(deps: ApiDeps, operation: Operation, ctx: RouterContext<ApiState>) {
  const startedMs = performance.now();
  const caller = await admit(deps, operation, ctx);
  const admitMs = performance.now() - startedMs;
  const body = await bodyOf(operation, ctx);
  // How long a body takes to come in is the caller's own affair.
  return { caller, body, arrivedMs: performance.now() - admitMs };
}

/** Absent is `undefined`; where a body may be left out, that is an empty object. */
async function bodyOf(operation: Operation, ctx: RouterContext<ApiState>): Promise<unknown> {
  if (operation.body === null) return undefined;
  const isEmpty = hasNoBody(ctx.req);
  if (isEmpty && (operation.isBodyOptional === true || isCalledJson(ctx.req))) return {};
  const body = await readJsonBody(ctx);
  refuseCardNumbers(body);
  return body;
}

/** A body in chunks has no length: what is not told to be empty is read (RFC 9112, 6.3). */
function hasNoBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;
}

/** Who sends nothing and names its type means an object without fields. */
function isCalledJson({ headers }: IncomingMessage): boolean {
  return /^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '');
}

/** For tests: an answer that the reference does not describe is a fault of ours. */
function requireDescribed({ id, answers }: Operation, { status, body }: Reply): void {
  const answer = answers[status];
  if (answer === undefined) throw new Error(`${id} answers ${status}, which it does not describe`);
  if (answer.schema === undefined) return;
  const parsed = answer.schema.safeParse(body);
  if (!parsed.success) throw new Error(`${id} ${status}: ${parsed.error.message}`);
}

function requireDescribedProblem(operation: Operation, error: unknown): void {
  if (!(error instanceof ApiError) || listProblems(operation).includes(error.code)) return;
  throw new Error(`${operation.id} answers ${error.code}, which it does not describe`);
}
