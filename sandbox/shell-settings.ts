/**
 * The shell often holds settings for other servers: a company's proxy, a PostgreSQL at work. What
 * the sandbox starts runs on this machine's loopback address, and is reached without them.
 */
const LOOPBACK = ['localhost', '127.0.0.1', '::1'] as const;

/**
 * Excepts the loopback address from every proxy. It changes nothing for other addresses: pip and
 * npm still use the proxy.
 */
export function reachLoopbackDirectly(env: NodeJS.ProcessEnv): void {
  const list = extend(env.no_proxy || env.NO_PROXY || '');
  env.no_proxy = list;
  env.NO_PROXY = list;
  // For gRPC this one, where it is set, counts in the place of `no_proxy`.
  if (env.no_grpc_proxy) env.no_grpc_proxy = extend(env.no_grpc_proxy);
}

/** What a `curl` pasted into this shell needs to reach the loopback address; mostly nothing. */
export function curlOptions(env: NodeJS.ProcessEnv): string {
  const isProxied = env.http_proxy || env.all_proxy || env.ALL_PROXY;
  const excepted = (env.no_proxy || env.NO_PROXY || '').split(',').map((entry) => entry.trim());
  const isExcepted = excepted.some((entry) => entry === '*' || entry === '127.0.0.1');
  return isProxied && !isExcepted ? ' --noproxy 127.0.0.1' : '';
}

function extend(list: string): string {
  // A star, alone, means every address.
  if (list.trim() === '*') return list;
  const present = list.split(',').map((entry) => entry.trim());
  const missing = LOOPBACK.filter((host) => !present.includes(host));
  return [...(list === '' ? [] : [list]), ...missing].join(',');
}

/** The variables of libpq that are set: they count even where an address is given. */
export function listPostgresVariables(env: NodeJS.ProcessEnv): readonly string[] {
  return Object.keys(env)
    .filter((name) => /^PG[A-Z]/.test(name))
    .toSorted();
}

/** Takes libpq's variables away; only where the server is the sandbox's own. */
export function dropPostgresVariables(env: NodeJS.ProcessEnv): void {
  for (const name of listPostgresVariables(env)) delete env[name];
}
