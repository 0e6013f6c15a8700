import Router, { type RouterContext } from '@koa/router';
import type { ApiDeps, ApiState } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { type Callback, takeCallback } from './inbox.ts';
import { findChannel, readToken, requireSignature } from './proof.ts';
import { readRawBody } from './raw-body.ts';

/**
 * Where providers call back. A provider may call only once, so whatever is genuine is answered 200
 * as soon as one of our stores holds it, however slow or broken the rest is. The second segment is
 * a token, or names the configuration whose secret signed it.
 */
export function createWebhookRoutes(deps: ApiDeps): Router<ApiState> {
  const router = new Router<ApiState>({ prefix: '/api/v1/webhooks' });
  router.post('/:channel', (ctx) => receive(deps, ctx, ''));
  router.post('/:channel/:proof', (ctx) => receive(deps, ctx, ctx.params.proof ?? ''));
  return router;
}

async function receive(
  deps: ApiDeps,
  ctx: RouterContext<ApiState>,
  segment: string,
): Promise<void> {
  const channel = findChannel(ctx.params.channel ?? '');
  const log = deps.log.child({ request_id: ctx.state.requestId, channel: ctx.params.channel });
  try {
    if (channel === null) throw new ApiError('not_found', 'no route has this path');
    const isSigned = channel.webhook.verify !== undefined;
    // A forged token is known before a byte of the body is read.
    const token = isSigned ? null : readToken(deps, channel, segment);
    const callback = await readCallback(ctx);
    const proof = token ?? (await requireSignature(deps, channel, segment, callback));
    const taken = await takeCallback(deps, channel, proof, callback);
    log.info(taken, 'a callback was taken');
    deps.metrics.countCallback(channel.webhook.channel, taken.fate);
    ctx.status = 200;
    ctx.body = channel.webhook.acknowledgement;
  } catch (error) {
    if (error instanceof ApiError) log.warn({ code: error.code }, 'a callback was refused');
    if (channel !== null) deps.metrics.countCallback(channel.webhook.channel, 'refused');
    throw error;
  }
}

/** Few headers are kept, and none that could hold a secret of ours. */
async function readCallback(ctx: RouterContext<ApiState>): Promise<Callback> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(ctx.req.headers)) {
    if (
      typeof value === 'string' &&
      /^(content-type|[a-z0-9]+-signature|[a-z0-9]+-timestamp)$/.test(name)
    ) {
      headers[name] = value.slice(0, 1000);
    }
  }
  const remoteAddress = ctx.req.socket.remoteAddress ?? null;
  return { body: await readRawBody(ctx.req), headers, remoteAddress };
}
