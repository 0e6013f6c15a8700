import { z } from 'zod';
import { PROVIDER_NAMES } from '../providers/index.ts';

/** What each provider's simulator.ts gives the sandbox; it is found by the provider's name. */
export type SimulatorModule = {
  readonly startSimulator: (options: {
    readonly port: number;
    readonly host: string;
    readonly ledgerPath: string;
    readonly settings: Readonly<Record<string, unknown>>;
    /** Where Malipo takes this provider's callbacks. */
    readonly webhookUrl: string;
  }) => Promise<{ readonly url: string; close(): Promise<void> }>;
  readonly SANDBOX: {
    /** Preferred; any free one is taken when it is not. */
    readonly port: number;
    /** The name of its page for people in sandbox.json, such as handset_url; null for none. */
    readonly page: string | null;
    /** Malipo's account there, without its base_url. No secrets: test values. */
    readonly credentials: Readonly<Record<string, string>>;
  };
};

const shape = z.object({
  startSimulator: z.custom<SimulatorModule['startSimulator']>((it) => typeof it === 'function'),
  SANDBOX: z.object({
    port: z.int(),
    page: z.string().nullable(),
    credentials: z.record(z.string(), z.string()),
  }),
});

/** @throws Error naming what providers/<name>/simulator.ts does not export. */
export async function loadSimulator(name: string): Promise<SimulatorModule> {
  if (!PROVIDER_NAMES.some((it) => it === name)) throw new Error(`there is no provider ${name}`);
  const parsed = shape.safeParse(await import(`../providers/${name}/simulator.ts`));
  if (parsed.success) return parsed.data;
  const missing = z.prettifyError(parsed.error);
  throw new Error(`providers/${name}/simulator.ts lacks an export:\n${missing}`);
}

/** The variables by which Malipo finds its account at a simulator. */
export function listCredentials(
  name: string,
  { SANDBOX }: SimulatorModule,
  url: string,
): Record<string, string> {
  const fields = { base_url: url, ...SANDBOX.credentials };
  const prefix = `MALIPO_${name.toUpperCase()}_`;
  return Object.fromEntries(
    Object.entries(fields).map(([field, value]) => [`${prefix}${field.toUpperCase()}`, value]),
  );
}
