import { createServer } from 'node:http';
import Koa from 'koa';
import { createApiRoutes, refuseUnknownPath } from './simulator/api.ts';
import { createControlRoutes } from './simulator/control.ts';
import { openDisputes } from './simulator/disputes.ts';
import { openEvents } from './simulator/events.ts';
import type { FaultOrder } from './simulator/faults.ts';
import { openIntents } from './simulator/intents.ts';
import { openLedger } from './simulator/ledger.ts';
import { createPageRoutes } from './simulator/page.ts';
import { openRefunds } from './simulator/refunds.ts';
import { changeSettings, DEFAULT_SETTINGS } from './simulator/settings.ts';

export type SimulatorOptions = {
  /** 0 for any free one. */
  readonly port: number;
  readonly host?: string;
  /** Where the ledger is kept over restarts; null or absent: in memory. */
  readonly ledgerPath?: string | null;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly secretKey?: string;
  /** Where events go, signed by `webhookSecrets`; absent: nowhere. */
  readonly webhookUrl?: string;
  readonly webhookSecrets?: readonly string[];
};
export type RunningSimulator = { readonly url: string; close(): Promise<void> };

/** How the sandbox runs it; the credentials are test values. */
export const SANDBOX = {
  port: 8091,
  page: null,
  credentials: {
    secret_key: 'sk_test_sandboxSimulatorAccount',
    webhook_secrets: 'whsec_sandbox_simulator_test_value',
  },
} as const;

/**
 * Stripe as it behaves on the wire, as far as Malipo uses it. An independent witness: it shares
 * no code with Malipo's client. Behaviour and sources: providers/stripe/README.md.
 */
export async function startSimulator(options: SimulatorOptions): Promise<RunningSimulator> {
  const host = options.host ?? '127.0.0.1';
  const settings = { ...DEFAULT_SETTINGS };
  changeSettings(settings, options.settings ?? {});
  const ledger = openLedger(options.ledgerPath ?? null);
  const { webhookUrl, webhookSecrets = [SANDBOX.credentials.webhook_secrets] } = options;
  const endpoint = webhookUrl === undefined ? null : { url: webhookUrl, secrets: webhookSecrets };
  const events = openEvents(ledger, settings, endpoint);
  let url = '';
  const parts = { ledger, events, settings, baseUrl: () => url };
  const intents = openIntents(parts);
  const refunds = openRefunds(parts, intents);
  const disputes = openDisputes(parts, intents);
  const faults: FaultOrder[] = [];
  const secretKey = options.secretKey ?? SANDBOX.credentials.secret_key;
  const app = new Koa();
  app.silent = true;
  for (const router of [
    createControlRoutes({ ledger, disputes, events, faults, intents, refunds, settings }),
    createApiRoutes({ ledger, intents, refunds, faults, secretKey }),
    createPageRoutes(intents),
  ]) {
    app.use(router.routes());
  }
  app.use(refuseUnknownPath);
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
  url = `http://${host}:${address.port}`;
  return {
    url,
    async close() {
      events.close();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
