import type { IncomingMessage } from 'node:http';
import { isIPv4, isIPv6 } from 'node:net';

/** True for http to this machine: what merchants of a sandbox, and simulators, are reached by. */
export function isLocalHttp(url: URL): boolean {
  return url.protocol === 'http:' && ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname);
}

/**
 * Whom a request comes from. X-Forwarded-For is written by everybody on the way, the caller first;
 * only what our own proxies added at its end is believed. What is no address tells nothing, so the
 * request counts as that of the proxy itself.
 */
export function addressOf(
  { headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>,
  trustedProxies: number,
): string {
  const told = String(headers['x-forwarded-for'] ?? '').split(',');
  const [believed = ''] = trustedProxies === 0 ? [] : told.slice(-trustedProxies);
  const line = socket.remoteAddress ?? '';
  return readAddress(believed.trim()) ?? readAddress(line) ?? line;
}

/** With or without a port; IPv6 may stand in brackets, and has to where a port follows. */
const IPV4 = /^([\d.]+)(?::\d{1,5})?$/;
const IPV6 = /^(?:\[([^\]]+)\](?::\d{1,5})?|([^[\]]+))$/;

/** The bare address in one spelling: each port of a caller must not be another caller. */
function readAddress(text: string): string | null {
  const ipv4 = IPV4.exec(text)?.[1];
  if (ipv4 !== undefined) return isIPv4(ipv4) ? ipv4 : null;
  const [, inBrackets, bare] = IPV6.exec(text) ?? [];
  return spellIPv6(inBrackets ?? bare ?? '');
}

/** An IPv4 address within IPv6, as URLs spell it. */
const MAPPED = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/;

/** As RFC 5952 has it, without a zone, which means something on one machine only. */
function spellIPv6(text: string): string | null {
  const [address = ''] = text.split('%');
  if (!isIPv6(address)) return null;
  const spelled = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [, high, low] = MAPPED.exec(spelled) ?? [];
  if (high === undefined || low === undefined) return spelled;
  const bits = Number.parseInt(high, 16) * 0x1_0000 + Number.parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 0xff).join('.');
}

const NETWORK_GROUPS = 4;
const SITE_GROUPS = 3;
const GROUPS = 8;

/**
 * What an address is counted as. Whoever has one IPv6 address has a whole /64 to choose from, so
 * that counts as one.
 */
export function subjectOf(address: string): string {
  return networkOf(address, NETWORK_GROUPS) ?? readAddress(address) ?? address.slice(0, 64);
}

/**
 * The /48 of an IPv6 address, which is what one site is usually given: 65,536 networks, as many
 * callers as it likes. Null for IPv4, where an address is one caller.
 */
export function siteOf(address: string): string | null {
  return networkOf(address, SITE_GROUPS);
}

function networkOf(address: string, kept: number): string | null {
  const spelled = readAddress(address) ?? '';
  if (!isIPv6(spelled)) return null;
  const [before = '', after] = spelled.split('::');
  const head = before.split(':').filter((group) => group !== '');
  const tail = (after ?? '').split(':').filter((group) => group !== '');
  const missing = GROUPS - head.length - tail.length;
  const groups = [...head, ...Array<string>(missing).fill('0'), ...tail];
  return `${groups.slice(0, kept).join(':')}::/${kept * 16}`;
}
