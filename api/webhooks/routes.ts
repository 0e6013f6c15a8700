import Router from '@koa/router';
import type { ApiDeps, ApiState } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { findByChannel, takeCallback } from './inbox.ts';
import { readRawBody } from './raw-body.ts';

/**
 * Where providers call back. A provider may call only once, so whatever is genuine is answered 200
 * as soon as one of our stores holds it, however slow or broken the rest is.
 */
export function createWebhookRoutes(deps: ApiDeps): Router<ApiState> {
  const router = new Router<ApiState>({ prefix: '/api/v1/webhooks' });

  router.post('/:channel/:token', async (ctx) => {
    const provider = findByChannel(ctx.params.channel ?? '');
    const token = deps.tokens.read(ctx.params.token ?? '');
    if (provider === null || token === null) {
      deps.log.warn({ request_id: ctx.state.requestId }, 'a callback with a forged address');
      throw new ApiError('not_found', 'no route has this path');
    }
    const body = await readRawBody(ctx.req);
    const taken = await takeCallback(deps, provider, token.workflowHash, {
      body,
      headers: { 'content-type': ctx.get('Content-Type').slice(0, 100) },
      remoteAddress: ctx.req.socket.remoteAddress ?? null,
    });
    deps.log.info({ request_id: ctx.state.requestId, ...taken }, 'a callback was taken');
    ctx.status = 200;
    ctx.body = provider.webhook.acknowledgement;
  });
  return router;
}
