import { createServer } from 'node:http';
import Koa from 'koa';
import { createControlRoutes } from './simulator/control.ts';
import { createDarajaRoutes } from './simulator/daraja.ts';
import { openFaults } from './simulator/faults.ts';
import { openLedger } from './simulator/ledger.ts';
import { openPhones } from './simulator/prompts.ts';
import { type Merchant, SANDBOX_MERCHANT } from './simulator/push-request.ts';
import { openReversals } from './simulator/reversals.ts';
import { changeSettings, DEFAULT_SETTINGS, type Settings } from './simulator/settings.ts';
import { TEST_CERTIFICATE } from './simulator/test-key.ts';

export type SimulatorOptions = {
  /** 0 for any free one. */
  readonly port: number;
  readonly host?: string;
  /** Where the ledger is kept over restarts; null or absent: in memory. */
  readonly ledgerPath?: string | null;
  /** Checked: an unknown or wrong setting is refused. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly merchant?: Merchant;
};
/**
 * How the sandbox runs it. Safaricom publishes short code and passkey for its own sandbox; the
 * others are test values.
 */
export const SANDBOX = {
  port: 8090,
  page: 'handset_url',
  credentials: {
    consumer_key: 'sandbox-consumer-key',
    consumer_secret: 'sandbox-consumer-secret',
    short_code: '174379',
    passkey: 'bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919',
    initiator_name: 'testapi',
    initiator_password: 'sandbox-initiator-password',
    certificate: TEST_CERTIFICATE,
  },
} as const;
export type RunningSimulator = {
  readonly url: string;
  readonly handsetUrl: string;
  close(): Promise<void>;
};

/**
 * Daraja as it behaves on the wire, with the payers' phones. An independent witness: it shares no
 * code with Malipo's client. Behaviour and sources: providers/mpesa/README.md.
 */
export async function startSimulator(options: SimulatorOptions): Promise<RunningSimulator> {
  const host = options.host ?? '127.0.0.1';
  const settings: Settings = { ...DEFAULT_SETTINGS };
  changeSettings(settings, options.settings ?? {});
  const ledger = openLedger(options.ledgerPath ?? null);
  const faults = openFaults();
  const phones = openPhones(ledger, settings);
  const merchant = options.merchant ?? SANDBOX_MERCHANT;
  const reversals = openReversals({ ledger, settings, merchant });
  const daraja = { ledger, faults, phones, reversals, settings, merchant };
  const app = new Koa();
  app.silent = true;
  for (const router of [createControlRoutes(daraja), createDarajaRoutes(daraja)]) {
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
  const url = `http://${host}:${address.port}`;
  return {
    url,
    handsetUrl: `${url}/`,
    async close() {
      faults.clear();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      reversals.close();
      await phones.close();
    },
  };
}
