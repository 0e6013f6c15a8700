import { quoteForShell } from './env-file.ts';

/** What `.malipo/sandbox.json` holds and `npm start -- --json` prints. */
export type SandboxDetails = {
  readonly api_url: string;
  readonly api_key: string;
  /** Who may sign in at POST /api/v1/sessions. */
  readonly operator: { readonly email: string; readonly password: string };
  /** Where two have to agree. */
  readonly second_operator: { readonly email: string; readonly password: string };
  readonly temporal_address: string;
  readonly temporal_namespace: string;
  readonly temporal_ui_url: string | null;
  /** As the API and the worker log in, and as the owner of the tables. */
  readonly database_url: string;
  readonly owner_database_url: string;
  /** Where Prometheus reads each process: `api`, `worker`, and more where there are more. */
  readonly metrics_urls: Readonly<Record<string, string>>;
  /** By provider: its `url`, and the page for people where it has one. */
  readonly simulators: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly pids: Readonly<Record<string, number>>;
  readonly logs_dir: string;
  /** What a shell reads to have MALIPO_URL and MALIPO_KEY. */
  readonly env_file: string;
};

/**
 * What a person reads when everything is up; the last paragraph is there to be pasted.
 * @param curlOptions with a leading blank, or empty.
 */
export function renderBanner(details: SandboxDetails, home: string, curlOptions: string): string {
  const rows = [
    ['API', `${details.api_url}/api/v1`],
    ['Reference', `${details.api_url}/docs`],
    ['Test key', details.api_key],
    ['Operator', `${details.operator.email} ${details.operator.password}`],
    ['Handset', `${details.simulators.mpesa?.handset_url} (the payer's phone, simulated)`],
    ['Temporal Web UI', details.temporal_ui_url ?? 'none (TEMPORAL_ADDRESS is set)'],
    ['In a shell', `. ${quoteForShell(details.env_file)}   # MALIPO_URL and MALIPO_KEY`],
    ['Logs', details.logs_dir],
    ['Data', `${home} (kept; \`npm start -- --reset\` loses it all and begins anew)`],
  ];
  const body = {
    provider: 'mpesa',
    amount: 10_000,
    currency: 'KES',
    customer: { phone: '254712345678' },
  };
  return [
    '',
    'Malipo is up.',
    '',
    ...rows.map(([name = '', value]) => `  ${name.padEnd(17)}${value}`),
    '',
    'A first payment of KES 100.00:',
    '',
    `  curl -s${curlOptions} ${details.api_url}/api/v1/payments \\`,
    `    -H 'Authorization: Bearer ${details.api_key}' \\`,
    `    -H "Idempotency-Key: first-$(date +%s)" \\`,
    `    -H 'Content-Type: application/json' \\`,
    `    -d '${JSON.stringify(body)}'`,
    '',
    'Ctrl-C ends it all.',
    '',
  ].join('\n');
}
