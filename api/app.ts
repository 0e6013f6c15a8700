import cors from '@koa/cors';
import Koa from 'koa';
import helmet from 'koa-helmet';
import type { ApiDeps, ApiState } from './deps.ts';
import { answerProblems } from './middleware/problem.ts';
import { mountOperations } from './mount.ts';
import { OPERATIONS } from './operations.ts';

const EXPOSED = ['X-Request-Id', 'Idempotency-Replayed', 'Location', 'Retry-After', 'RateLimit'];
const ONE_DAY_SECONDS = 86_400;

/** The whole API. */
export function createApp(deps: ApiDeps): Koa<ApiState> {
  const app = new Koa<ApiState>();
  app.silent = true;
  // Only what the last of our own proxies says about the caller's address is believed.
  app.proxy = deps.trustedProxies > 0;
  app.maxIpsCount = deps.trustedProxies;
  app.use(answerProblems(deps));
  app.use(helmet({ contentSecurityPolicy: { directives: { defaultSrc: ["'none'"] } } }));
  app.use(allowOrigins(deps));
  const router = mountOperations(deps, OPERATIONS);
  app.use(router.routes()).use(router.allowedMethods());
  return app;
}

/** Pages of other origins than the listed ones get no CORS header, so browsers refuse them. */
function allowOrigins({ corsOrigins }: ApiDeps): Koa.Middleware {
  return cors({
    origin: (ctx) => (corsOrigins.includes(ctx.get('Origin')) ? ctx.get('Origin') : ''),
    allowMethods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key', 'X-Request-Id'],
    exposeHeaders: EXPOSED,
    maxAge: ONE_DAY_SECONDS,
  });
}
