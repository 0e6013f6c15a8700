/** True for http to this machine: what merchants of a sandbox, and simulators, are reached by. */
export function isLocalHttp(url: URL): boolean {
  return url.protocol === 'http:' && ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname);
}
