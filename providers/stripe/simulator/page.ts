import Router from '@koa/router';
import { StripeFault } from './errors.ts';
import type { Intents } from './intents.ts';

/** The page of the payer's bank: pass or fail 3-D Secure, then back to the shop. */
export function createPageRoutes(intents: Intents): Router {
  const router = new Router({ prefix: '/3ds' });
  router.use(async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      if (!(error instanceof StripeFault)) throw error;
      ctx.status = 404;
      ctx.type = 'html';
      ctx.body = render('There is no such payment here.', '');
    }
  });

  router.get('/:id', (ctx) => {
    const { id, amount, currency, status } = intents.find(ctx.params.id ?? '');
    const money = `${currency.toUpperCase()} ${(amount / 100).toFixed(2)}`;
    const isOpen = status === 'requires_action';
    ctx.type = 'html';
    ctx.body = render(
      isOpen ? `Your bank asks: pay ${money}?` : `This payment is ${status}.`,
      isOpen ? button(id, 'complete', 'Complete') + button(id, 'fail', 'Fail') : '',
    );
  });

  router.post('/:id/:answer', async (ctx) => {
    const isPassed = ctx.params.answer === 'complete';
    const intent = await intents.authenticate(ctx.params.id ?? '', isPassed);
    const url = new URL(intent.return_url ?? 'about:blank');
    url.searchParams.set('payment_intent', intent.id);
    url.searchParams.set('redirect_status', isPassed ? 'succeeded' : 'failed');
    ctx.status = 303;
    ctx.set('Location', url.href);
  });
  return router;
}

function button(id: string, answer: string, label: string): string {
  return `<form method="post" action="/3ds/${encodeURIComponent(id)}/${answer}"><button>${label}</button></form>`;
}

function render(text: string, form: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>3-D Secure (simulated)</title>
<meta name="viewport" content="width=device-width"><body style="font:16px sans-serif;margin:3rem">
<h1>3-D Secure (simulated)</h1><p>${escapeHtml(text)}</p>${form}</body></html>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
