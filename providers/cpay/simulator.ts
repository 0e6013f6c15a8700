import { createServer } from 'node:http';
import Koa from 'koa';
import { openAccount } from './simulator/account.ts';
import { createControlRoutes } from './simulator/control.ts';
import { openLedger } from './simulator/ledger.ts';
import { createApiRoutes, type Parts } from './simulator/routes.ts';
import { changeSettings, DEFAULT_SETTINGS } from './simulator/settings.ts';
import { openWebhooks } from './simulator/webhooks.ts';

export type SimulatorOptions = {
  /** 0 for any free one. */
  readonly port: number;
  readonly host?: string;
  /** Where the ledger is kept over restarts; null or absent: in memory. */
  readonly ledgerPath?: string | null;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly apiKey?: string;
  readonly webhookSecrets?: readonly string[];
};
export type RunningSimulator = { readonly url: string; close(): Promise<void> };

/** How the sandbox runs it; the credentials are test values. */
export const SANDBOX = {
  port: 8092,
  page: null,
  credentials: {
    api_key: 'cpay_test_sandbox_account',
    webhook_secrets: 'whsec_cpay_sandbox_test_value',
  },
} as const;

/**
 * CPay as it behaves on the wire, by its README. An independent witness: it shares
 * no code with Malipo's client.
 */
export async function startSimulator(options: SimulatorOptions): Promise<RunningSimulator> {
  const host = options.host ?? '127.0.0.1';
  const settings = { ...DEFAULT_SETTINGS };
  changeSettings(settings, options.settings ?? {});
  const ledger = openLedger(options.ledgerPath ?? null);
  const secrets = options.webhookSecrets ?? [SANDBOX.credentials.webhook_secrets];
  const webhooks = openWebhooks(ledger, settings, secrets);
  const account = openAccount({ ledger, settings, webhooks });
  const apiKey = options.apiKey ?? SANDBOX.credentials.api_key;
  const shared = { ledger, account, webhooks, settings };
  const parts: Parts = { ...shared, faults: [], busy: new Set(), apiKey };
  const app = new Koa();
  app.silent = true;
  for (const router of [createControlRoutes(parts), createApiRoutes(parts)]) {
    app.use(router.routes());
  }
  const handle = app.callback();
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, host, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on a port');
  return {
    url: `http://${host}:${address.port}`,
    async close() {
      webhooks.close();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
