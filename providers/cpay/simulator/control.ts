import Router, { type RouterContext } from '@koa/router';
import { type Body, readBody } from './body.ts';
import { answer } from './faults.ts';
import type { Parts } from './routes.ts';
import { changeSettings, readFaultOrder } from './settings.ts';

/** The test's side: settings, faults and the ledger. */
export function createControlRoutes({
  ledger,
  account,
  webhooks,
  settings,
  faults,
}: Parts): Router {
  const router = new Router({ prefix: '/simulator' });
  const checked = async (ctx: RouterContext, run: (body: Body) => void) => {
    try {
      run((await readBody(ctx)) ?? {});
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      answer(ctx, { status: 400, body: { error: error.message } });
    }
  };
  router.get('/ledger', (ctx) => {
    ctx.body = {
      charges: [...ledger.charges.values()],
      refunds: [...ledger.refunds.values()],
      webhooks: ledger.webhooks,
    };
  });
  router.post('/charges/:id/decide', (ctx) => {
    ctx.body = account.decideNow(ctx.params.id ?? '');
  });
  router.post('/redeliver/:about', (ctx) => {
    ctx.body = { found: webhooks.redeliver(ctx.params.about ?? '') };
  });
  router.get('/settings', (ctx) => {
    ctx.body = settings;
  });
  router.patch('/settings', (ctx) =>
    checked(ctx, (body) => {
      changeSettings(settings, body);
      ctx.body = settings;
    }),
  );
  router.post('/faults', (ctx) =>
    checked(ctx, (body) => {
      faults.push(readFaultOrder(body));
      ctx.body = faults;
    }),
  );
  router.delete('/faults', (ctx) => {
    faults.length = 0;
    ctx.body = faults;
  });
  return router;
}
