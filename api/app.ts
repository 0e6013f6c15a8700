import Koa from 'koa';
import type { ApiDeps, ApiState } from './deps.ts';
import { answerProblems } from './middleware/problem.ts';
import { mountOperations } from './mount.ts';
import { OPERATIONS } from './operations.ts';
import { createWebhookRoutes } from './webhooks/routes.ts';

/** The whole API. */
export function createApp(deps: ApiDeps): Koa<ApiState> {
  const app = new Koa<ApiState>();
  app.silent = true;
  app.use(answerProblems(deps.log));
  for (const router of [createWebhookRoutes(deps), mountOperations(deps, OPERATIONS)]) {
    app.use(router.routes()).use(router.allowedMethods());
  }
  return app;
}
