import Router, { type RouterContext } from '@koa/router';
import type { Disputes } from './disputes.ts';
import type { Events } from './events.ts';
import { type FaultOrder, readFaultOrder } from './faults.ts';
import type { Intents } from './intents.ts';
import type { Ledger } from './ledger.ts';
import type { Refunds } from './refunds.ts';
import { changeSettings, type Settings } from './settings.ts';

export type ControlParts = {
  readonly ledger: Ledger;
  readonly disputes: Disputes;
  readonly events: Events;
  readonly faults: FaultOrder[];
  readonly intents: Intents;
  readonly refunds: Refunds;
  readonly settings: Settings;
};
type Body = Readonly<Record<string, unknown>>;

/** The test's side: settings, faults, the webhook endpoint, 3-D Secure and the ledger. */
export function createControlRoutes(parts: ControlParts): Router {
  const { ledger, disputes, events, faults, intents, refunds, settings } = parts;
  const router = new Router({ prefix: '/simulator' });
  router.get('/ledger', (ctx) => {
    ctx.body = {
      intents: [...ledger.intents.values()],
      charges: ledger.charges,
      refunds: [...ledger.refunds.values()],
      disputes: [...ledger.disputes.values()],
      events: ledger.events,
    };
  });
  router.get('/settings', (ctx) => {
    ctx.body = settings;
  });
  router.patch('/settings', (ctx) =>
    checked(ctx, (body) => {
      changeSettings(settings, body);
      return settings;
    }),
  );
  router.post('/faults', (ctx) =>
    checked(ctx, (body) => {
      faults.push(readFaultOrder(body));
      return faults;
    }),
  );
  router.delete('/faults', (ctx) => {
    faults.length = 0;
    ctx.body = faults;
  });
  router.put('/webhook', (ctx) =>
    checked(ctx, ({ url, secrets }) => {
      const isEndpoint =
        typeof url === 'string' &&
        Array.isArray(secrets) &&
        secrets.every((it) => typeof it === 'string');
      if (!isEndpoint) throw new RangeError('send {"url": "…", "secrets": ["whsec_…"]}');
      events.endpoint = { url, secrets };
      return events.endpoint;
    }),
  );
  router.post('/redeliver/:about', (ctx) => {
    ctx.body = { found: events.redeliver(ctx.params.about ?? '') };
  });
  router.post('/refunds/:id', (ctx) =>
    checked(ctx, ({ status }) => {
      if (typeof status !== 'string') throw new RangeError('send {"status": "succeeded"}');
      return refunds.decide(refunds.find(ctx.params.id ?? ''), status);
    }),
  );
  addDisputes(router, disputes);
  router.post('/3ds/:id', (ctx) =>
    checked(ctx, ({ passed }) => {
      if (typeof passed !== 'boolean') throw new RangeError('send {"passed": true} or false');
      return intents.authenticate(ctx.params.id ?? '', passed);
    }),
  );
  return router;
}

/** What a payer's bank does. */
function addDisputes(router: Router, disputes: Disputes): void {
  router.post('/disputes', (ctx) =>
    checked(ctx, ({ payment_intent, amount, status }) => {
      if (typeof payment_intent !== 'string') throw new RangeError('send {"payment_intent": "…"}');
      return disputes.open({
        payment_intent,
        ...(typeof amount === 'number' ? { amount } : {}),
        ...(typeof status === 'string' ? { status } : {}),
      });
    }),
  );
  router.post('/disputes/:id', (ctx) =>
    checked(ctx, ({ status }) => {
      if (typeof status !== 'string') throw new RangeError('send {"status": "lost"}');
      return disputes.decide(ctx.params.id ?? '', status);
    }),
  );
}

async function checked(ctx: RouterContext, run: (body: Body) => unknown): Promise<void> {
  try {
    ctx.body = await run(await readBody(ctx));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    ctx.status = 400;
    ctx.body = { error: error.message };
  }
}

async function readBody(ctx: RouterContext): Promise<Body> {
  const chunks: Buffer[] = [];
  for await (const chunk of ctx.req) chunks.push(Buffer.from(chunk));
  try {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString() || '{}');
    return typeof body === 'object' && body !== null ? { ...body } : {};
  } catch {
    throw new RangeError('the body must be a JSON object');
  }
}
