import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';

/** True for http to this machine: what merchants of a sandbox, and simulators, are reached by. */
export function isLocalHttp(url: URL): boolean {
  return url.protocol === 'http:' && ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname);
}

/**
 * Whom a request comes from. X-Forwarded-For is written by everybody on the way, the caller first;
 * only what our own proxies added at its end is believed.
 */
export function addressOf(
  { headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>,
  trustedProxies: number,
): string {
  const told = String(headers['x-forwarded-for'] ?? '').split(',');
  const [believed] = trustedProxies === 0 ? [] : told.slice(-trustedProxies);
  return believed?.trim() || (socket.remoteAddress ?? '');
}

const IPV4_IN_IPV6 = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i;
const NETWORK_GROUPS = 4;
const GROUPS = 8;

/**
 * What an address is counted as. Whoever has one IPv6 address has a whole /64 to choose from, so
 * that counts as one.
 */
export function subjectOf(address: string): string {
  const [, ipv4] = IPV4_IN_IPV6.exec(address) ?? [];
  if (ipv4 !== undefined) return ipv4;
  if (!isIPv6(address)) return address.slice(0, 64);
  const [before = '', after] = (address.split('%')[0] ?? '').toLowerCase().split('::');
  const head = before.split(':').filter((group) => group !== '');
  const tail = after === undefined ? [] : after.split(':').filter((group) => group !== '');
  // An IPv4 address at the end stands for two groups.
  const missing = GROUPS - head.length - tail.length - (address.includes('.') ? 1 : 0);
  const groups = [...head, ...Array<string>(Math.max(0, missing)).fill('0'), ...tail];
  const network = groups.slice(0, NETWORK_GROUPS).map((group) => group.replace(/^0+(?=.)/, ''));
  return `${network.join(':')}::/64`;
}
