import { loadClientConnectConfig } from '@temporalio/envconfig';

export type TemporalConfig = {
  readonly connectionOptions: ReturnType<typeof loadClientConnectConfig>['connectionOptions'];
  /** For a client's connection; the worker's takes no proxy from the environment. */
  readonly channelArgs: ChannelArgs;
  readonly namespace: string;
};

export type ChannelArgs = Readonly<Record<string, number>>;

/** Where Temporal is, by the TEMPORAL_* variables (and file) that all its tools share. */
export function readTemporalConfig(variables: Readonly<Record<string, string>>): TemporalConfig {
  const { connectionOptions, namespace } = loadClientConnectConfig({
    overrideEnvVars: { ...variables },
  });
  const channelArgs = channelArgsOf(connectionOptions.address);
  return { connectionOptions, channelArgs, namespace: namespace ?? 'default' };
}

/** An address of this machine's loopback, as `host:port` or without the port. */
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])(:\d+)?$/i;

/**
 * gRPC sends everything through the proxy of `http_proxy` and its kin, which cannot reach a server
 * on this machine's loopback address. A Temporal elsewhere may be behind that proxy.
 * @param address as the SDK takes it; without one it is its default, `localhost:7233`.
 */
export function channelArgsOf(address = 'localhost'): ChannelArgs {
  return LOOPBACK.test(address) ? { 'grpc.enable_http_proxy': 0 } : {};
}
