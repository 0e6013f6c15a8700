import Router, { type RouterContext } from '@koa/router';
import { runSeen } from './acts.ts';
import type { ApiDeps, ApiState } from './deps.ts';
import { admit } from './middleware/authenticate.ts';
import { refuseCardNumbers } from './middleware/card-number.ts';
import { readJsonBody } from './middleware/json-body.ts';
import type { Operation, Reply } from './operation.ts';

/** Makes the routes of declared operations: the one way from HTTP to a handler and back. */
export function mountOperations(deps: ApiDeps, operations: readonly Operation[]): Router<ApiState> {
  const router = new Router<ApiState>();
  for (const operation of operations) {
    const path = operation.path.replaceAll(/\{(\w+)\}/g, ':$1');
    router[operation.method](path, (ctx) => serve(deps, operation, ctx));
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
  for (const [name, value] of Object.entries(reply.headers ?? {})) ctx.set(name, value);
  ctx.status = reply.status;
  ctx.body = reply.body;
  const { contentType } = operation.answers[reply.status] ?? {};
  if (contentType !== undefined) ctx.type = contentType;
}

/** Absent is `undefined`; where a body may be left out, that is an empty object. */
async function bodyOf(operation: Operation, ctx: RouterContext<ApiState>): Promise<unknown> {
  if (operation.body === null || operation.bodyKind === 'raw') return undefined;
  const isEmpty = ctx.request.length === undefined || ctx.request.length === 0;
  if (operation.bodyKind === 'optional' && isEmpty) return {};
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
