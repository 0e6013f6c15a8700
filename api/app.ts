import Koa from 'koa';
import type { ApiDeps, ApiState } from './deps.ts';
import { createHealthRoutes } from './health/routes.ts';
import { requireApiKey } from './middleware/authenticate.ts';
import { answerProblems } from './middleware/problem.ts';
import { createPaymentRoutes } from './payments/routes.ts';
import { createProviderConfigRoutes } from './provider-configs/routes.ts';
import { createRefundRoutes } from './refunds/routes.ts';
import { createWebhookRoutes } from './webhooks/routes.ts';

/** The whole API: open routes first, then what takes an API key. */
export function createApp(deps: ApiDeps): Koa<ApiState> {
  const app = new Koa<ApiState>();
  app.silent = true;
  app.use(answerProblems(deps.log));
  for (const router of [createHealthRoutes(deps), createWebhookRoutes(deps)]) {
    app.use(router.routes()).use(router.allowedMethods());
  }
  app.use(requireApiKey(deps));
  for (const router of [
    createPaymentRoutes(deps),
    createRefundRoutes(deps),
    createProviderConfigRoutes(deps),
  ]) {
    app.use(router.routes()).use(router.allowedMethods());
  }
  return app;
}
