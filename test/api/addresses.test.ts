import type { IncomingMessage } from 'node:http';
import { addressOf, siteOf, subjectOf } from '../../api/addresses.ts';

const PROXY = '10.0.0.9';
/** A request by way of one proxy of ours, which wrote this at the end of X-Forwarded-For. */
const requestOf = (told: string | undefined, line?: string) => {
  const headers = told === undefined ? {} : { 'x-forwarded-for': told };
  return { headers, socket: { remoteAddress: line } } as Pick<
    IncomingMessage,
    'headers' | 'socket'
  >;
};

// biome-ignore format: table, one case per line
const TOLD = [
  ['203.0.113.6', '203.0.113.6', '203.0.113.6'],
  ['  203.0.113.6 ', '203.0.113.6', '203.0.113.6'],
  ['203.0.113.6:40001', '203.0.113.6', '203.0.113.6'],
  ['203.0.113.6:40002', '203.0.113.6', '203.0.113.6'],
  ['198.51.100.1, 203.0.113.6:40001', '203.0.113.6', '203.0.113.6'],
  ['2001:db8::1', '2001:db8::1', '2001:db8:0:0::/64'],
  ['[2001:db8::1]', '2001:db8::1', '2001:db8:0:0::/64'],
  ['[2001:db8::1]:443', '2001:db8::1', '2001:db8:0:0::/64'],
  ['[2001:db8::1]:444', '2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1', '2001:db8:0:0::/64'],
  ['[2001:db8:0:7::]:1', '2001:db8:0:7::', '2001:db8:0:7::/64'],
  ['fe80::1%eth0', 'fe80::1', 'fe80:0:0:0::/64'],
  ['[fe80::1%25eth0]:443', 'fe80::1', 'fe80:0:0:0::/64'],
  ['::ffff:203.0.113.6', '203.0.113.6', '203.0.113.6'],
  ['[::ffff:203.0.113.6]:443', '203.0.113.6', '203.0.113.6'],
  ['::FFFF:cb00:7106', '203.0.113.6', '203.0.113.6'],
  ['0:0:0:0:0:ffff:203.0.113.6', '203.0.113.6', '203.0.113.6'],
  ['64:ff9b::203.0.113.6', '64:ff9b::cb00:7106', '64:ff9b:0:0::/64'],
  ['::1', '::1', '0:0:0:0::/64'],
  // What is no address tells nothing: it counts as the proxy that wrote it.
  ['unknown', PROXY, PROXY],
  ['_hidden', PROXY, PROXY],
  ['', PROXY, PROXY],
  ['203.0.113', PROXY, PROXY],
  ['203.0.113.256', PROXY, PROXY],
  ['0xcb007106', PROXY, PROXY],
  ['3405803782', PROXY, PROXY],
  ['203.0.113.6:', PROXY, PROXY],
  ['203.0.113.6:x', PROXY, PROXY],
  ['203.0.113.6:123456', PROXY, PROXY],
  ['[203.0.113.6]:80', PROXY, PROXY],
  ['[2001:db8::1', PROXY, PROXY],
  ['2001:db8::1]:443', PROXY, PROXY],
  ['[2001:db8::1]443', PROXY, PROXY],
  ['[2001:db8::1]/@example.test', PROXY, PROXY],
  ['2001:db8::1::2', PROXY, PROXY],
  ["'; DROP TABLE payments", PROXY, PROXY],
  ['"203.0.113.6"', PROXY, PROXY],
  ['for=203.0.113.6', PROXY, PROXY],
  ['203.0.113.06', PROXY, PROXY],
  ['2001:db8::1:2:3:4:5:6:443', PROXY, PROXY],
  ['\t203.0.113.6\t', '203.0.113.6', '203.0.113.6'],
  ["fe80::1%'; DROP TABLE payments", 'fe80::1', 'fe80:0:0:0::/64'],
  // An item that our proxy left empty is not the one before it, which the caller wrote.
  ['198.51.100.1, ', PROXY, PROXY],
  ['198.51.100.1,,', PROXY, PROXY],
  [', 203.0.113.6', '203.0.113.6', '203.0.113.6'],
  [`${'198.51.100.1, '.repeat(1000)}203.0.113.6`, '203.0.113.6', '203.0.113.6'],
  [undefined, PROXY, PROXY],
] as const;
test.each(TOLD)('%s is kept as %s and counted as %s', (told, address, subject) => {
  const kept = addressOf(requestOf(told, PROXY), 1);
  expect([kept, subjectOf(kept)]).toEqual([address, subject]);
});

test.each([
  ['::ffff:10.0.0.9', '10.0.0.9'],
  ['fe80::9%eth0', 'fe80::9'],
  [undefined, ''],
])('without a proxy that is trusted, what the line says, %s, is kept as %s', (line, address) => {
  expect(addressOf(requestOf('203.0.113.6', line), 0)).toBe(address);
});

test('of several proxies the one that is ours and the farthest is believed', () => {
  const told = '192.0.2.1, 203.0.113.6:40001, 10.0.0.8';
  expect(addressOf(requestOf(told), 2)).toBe('203.0.113.6');
});

// biome-ignore format: table, one case per line
test.each([
  ['203.0.113.7', '203.0.113.7'],
  ['::ffff:203.0.113.7', '203.0.113.7'],
  ['::FFFF:203.0.113.7', '203.0.113.7'],
  ['2001:db8:0:7:1:2:3:4', '2001:db8:0:7::/64'],
  ['2001:DB8:0:7::', '2001:db8:0:7::/64'],
  ['2001:0db8:0000:0007::1', '2001:db8:0:7::/64'],
  ['2001:db8::7:1:2:3:4', '2001:db8:0:7::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['64:ff9b::203.0.113.7', '64:ff9b:0:0::/64'],
  ['unknown', 'unknown'],
  ['', ''],
])('%s is counted as %s', (address, subject) => {
  expect(subjectOf(address)).toBe(subject);
});

// biome-ignore format: table, one case per line
test.each([
  ['2001:db8:0:7:1:2:3:4', '2001:db8:0::/48'],
  ['2001:db8:0:8::1', '2001:db8:0::/48'],
  ['2001:db8:1:7::', '2001:db8:1::/48'],
  ['2001:DB8::1', '2001:db8:0::/48'],
  ['[2001:db8:2::1]:443', '2001:db8:2::/48'],
  ['fe80::1%eth0', 'fe80:0:0::/48'],
  ['::1', '0:0:0::/48'],
  ['203.0.113.7', null],
  ['::ffff:203.0.113.7', null],
  ['unknown', null],
  ['', null],
])('%s is of the site %s', (address, site) => {
  expect(siteOf(address)).toBe(site);
});
