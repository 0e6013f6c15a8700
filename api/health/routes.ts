import Router from '@koa/router';
import { isDatabaseReady } from '../../db/health.ts';
import type { ApiDeps, ApiState } from '../deps.ts';

/**
 * /livez: this process turns. /readyz: it can take payments, which needs the database only; with
 * Temporal away payments are stored and started later. /api/v1/health tells each part.
 */
export function createHealthRoutes({ pool, engine }: ApiDeps): Router<ApiState> {
  const router = new Router<ApiState>();

  router.get('/livez', (ctx) => {
    ctx.body = { status: 'ok' };
  });

  router.get('/readyz', async (ctx) => {
    const isReady = await isDatabaseReady(pool);
    ctx.status = isReady ? 200 : 503;
    ctx.body = { status: isReady ? 'ok' : 'unavailable' };
  });

  router.get('/api/v1/health', async (ctx) => {
    const [database, temporal] = await Promise.all([isDatabaseReady(pool), engine.isReachable()]);
    const tell = (isUp: boolean) => (isUp ? 'ok' : 'unavailable');
    ctx.status = database ? 200 : 503;
    ctx.body = {
      object: 'health',
      status: database && temporal ? 'ok' : database ? 'degraded' : 'unavailable',
      components: { database: tell(database), temporal: tell(temporal) },
    };
  });
  return router;
}
