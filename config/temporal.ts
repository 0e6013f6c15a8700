import { loadClientConnectConfig } from '@temporalio/envconfig';

export type TemporalConfig = {
  readonly connectionOptions: ReturnType<typeof loadClientConnectConfig>['connectionOptions'];
  readonly namespace: string;
};

/** Where Temporal is, by the TEMPORAL_* variables (and file) that all its tools share. */
export function readTemporalConfig(variables: Readonly<Record<string, string>>): TemporalConfig {
  const { connectionOptions, namespace } = loadClientConnectConfig({
    overrideEnvVars: { ...variables },
  });
  return { connectionOptions, namespace: namespace ?? 'default' };
}
