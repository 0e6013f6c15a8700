import Router, { type RouterContext } from '@koa/router';
import { runSeen } from './acts.ts';
import type { ApiDeps, ApiState } from './deps.ts';
import { ApiError } from './errors.ts';
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
  const caller = await admit(deps, operation, ctx);
  const body = await bodyOf(operation, ctx);
  const reply = await runSeen(deps, operation, {
    caller,
    body,
    requestId: ctx.state.requestId,
    params: ctx.params,
    query: ctx.query,
    headers: ctx.req.headers,
    remoteAddress: ctx.ip,
    raw: ctx.req,
  });
  if (deps.checksAnswers === true) requireDescribed(operation, reply);
  ctx.status = reply.status;
  ctx.body = reply.body;
  const { contentType } = operation.answers[reply.status] ?? {};
  if (contentType !== undefined) ctx.type = contentType;
  for (const [name, value] of Object.entries(reply.headers ?? {})) ctx.set(name, value);
}

/** Absent is `undefined`; where a body may be left out, that is an empty object. */
async function bodyOf(operation: Operation, ctx: RouterContext<ApiState>): Promise<unknown> {
  if (operation.body === null) return undefined;
  const isEmpty = ctx.request.length === undefined || ctx.request.length === 0;
  if (operation.isBodyOptional === true && isEmpty) return {};
  const body = await readJsonBody(ctx);
  refuseCardNumbers(body);
  return body;
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
