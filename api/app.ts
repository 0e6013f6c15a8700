import cors from '@koa/cors';
import Koa from 'koa';
import helmet from 'koa-helmet';
import { addressOf, subjectOf } from './addresses.ts';
import type { ApiDeps, ApiState } from './deps.ts';
import { ApiError } from './errors.ts';
import { requireHost } from './host.ts';
import { answerProblems } from './middleware/problem.ts';
import { requireRate } from './middleware/rate-limit.ts';
import { mountOperations } from './mount.ts';
import { OPERATIONS } from './operations.ts';

const EXPOSED = [
  'X-Request-Id',
  'Idempotency-Replayed',
  'Preference-Applied',
  'Location',
  'Malipo-Hint',
  'Retry-After',
  'RateLimit',
  'RateLimit-Policy',
  'Content-Disposition',
];
const ONE_DAY_SECONDS = 86_400;

/** The whole API. */
export function createApp(deps: ApiDeps): Koa<ApiState> {
  const app = new Koa<ApiState>();
  app.silent = true;
  app.use(sendElsewhere(deps));
  app.use(keepUnstored());
  app.use(answerProblems(deps));
  app.use(helmet({ contentSecurityPolicy: { directives: { defaultSrc: ["'none'"] } } }));
  app.use(allowOrigins(deps));
  app.use(guardDoor(deps));
  app.use(leadToReference());
  const router = mountOperations(deps, OPERATIONS);
  app.use(router.routes()).use(router.allowedMethods());
  return app;
}

/** An answer of a process that ends tells its client to connect anew, to another one. */
function sendElsewhere({ isDraining }: ApiDeps): Koa.Middleware {
  return async (ctx, next) => {
    await next();
    if (isDraining()) ctx.set('Connection', 'close');
  };
}

/**
 * Keys, tokens and payments: nobody on the way keeps them, nor the browser (RFC 6749, 5.1). The
 * reference and its files are nobody's secret.
 */
function keepUnstored(): Koa.Middleware {
  return async (ctx, next) => {
    if (ctx.path === '/api/v1' || ctx.path.startsWith('/api/v1/')) {
      ctx.set('Cache-Control', 'no-store');
    }
    await next();
  };
}

/** Genuine callbacks are not counted by address: a provider may call only once. */
const CALLBACKS = '/api/v1/webhooks/';

/** What every request has to pass, whatever it asks for. */
function guardDoor(deps: ApiDeps): Koa.Middleware {
  return async (ctx, next) => {
    ctx.request.ip = addressOf(ctx.req, deps.trustedProxies);
    requireHost(ctx.req);
    if (ctx.path.startsWith(CALLBACKS)) return await takeKnown(deps, ctx, next);
    await requireRate(deps, 'address', subjectOf(ctx.ip));
    await next();
  };
}

/** Counts what finds nothing, after it did: so what is genuine is never refused for it. */
async function takeKnown(deps: ApiDeps, ctx: Koa.Context, next: Koa.Next): Promise<void> {
  const refuseTooMany = () => requireRate(deps, 'unknown_callback', subjectOf(ctx.ip));
  try {
    await next();
  } catch (error) {
    if (error instanceof ApiError && error.code === 'not_found') await refuseTooMany();
    throw error;
  }
  if (ctx.status === 404 || ctx.status === 405) await refuseTooMany();
}

/** Who opens the bare address in a browser looks for the reference; programs get their 404. */
function leadToReference(): Koa.Middleware {
  return async (ctx, next) => {
    const isPage = ctx.path === '/' && (ctx.method === 'GET' || ctx.method === 'HEAD');
    if (isPage) ctx.vary('Accept');
    if (!isPage || ctx.accepts('json', 'html') !== 'html') return await next();
    ctx.redirect('/docs');
  };
}

/** Pages of other origins than the listed ones get no CORS header, so browsers refuse them. */
function allowOrigins({ corsOrigins }: ApiDeps): Koa.Middleware {
  return cors({
    origin: (ctx) => (corsOrigins.includes(ctx.get('Origin')) ? ctx.get('Origin') : ''),
    allowMethods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key', 'Prefer', 'X-Request-Id'],
    exposeHeaders: EXPOSED,
    maxAge: ONE_DAY_SECONDS,
  });
}
