import { z } from 'zod';
import { loadSimulator } from './simulators.ts';

/** A provider's simulator as a process of its own, so that its death is a real one. */
const env = z
  .object({
    MALIPO_SIMULATOR_PROVIDER: z.string().min(1),
    MALIPO_SIMULATOR_PORT: z.coerce.number().int().min(0).max(65_535),
    MALIPO_SIMULATOR_LEDGER: z.string().min(1),
    MALIPO_SIMULATOR_WEBHOOK_URL: z.string().min(1),
    MALIPO_SIMULATOR_SETTINGS: z
      .string()
      .default('{}')
      .transform((text): unknown => JSON.parse(text))
      .pipe(z.record(z.string(), z.unknown())),
  })
  .parse(process.env);

const { startSimulator } = await loadSimulator(env.MALIPO_SIMULATOR_PROVIDER);
const simulator = await startSimulator({
  port: env.MALIPO_SIMULATOR_PORT,
  host: '127.0.0.1',
  ledgerPath: env.MALIPO_SIMULATOR_LEDGER,
  settings: env.MALIPO_SIMULATOR_SETTINGS,
  webhookUrl: env.MALIPO_SIMULATOR_WEBHOOK_URL,
});

let isEnding = false;
const end = () => {
  if (isEnding) return;
  isEnding = true;
  void simulator.close().finally(() => process.exit(0));
};
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, end);
process.on('disconnect', end);

process.send?.({ type: 'ready', url: simulator.url });
