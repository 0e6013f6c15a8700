import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createPoster, isAllowed, type Poster } from '../../activities/outbound.ts';

test.each([
  ['93.184.216.34', true],
  ['168.63.129.15', true],
  ['2606:2800:220:1:248:1893:25c8:1946', true],
  ['10.0.0.1', false],
  ['172.16.0.1', false],
  ['192.168.1.1', false],
  ['169.254.169.254', false],
  ['100.64.0.1', false],
  ['0.0.0.0', false],
  ['224.0.0.1', false],
  ['255.255.255.255', false],
  ['::', false],
  ['fe80::1', false],
  ['fd00::1', false],
  ['::ffff:10.0.0.1', false],
  ['::ffff:169.254.169.254', false],
  // IPv4 inside IPv6, in each way that somebody on the path may turn back into IPv4.
  ['::7f00:1', false],
  ['::169.254.169.254', false],
  ['::ffff:0:a00:1', false],
  ['64:ff9b::a00:1', false],
  ['64:ff9b:1::a00:1', false],
  ['2002:a00:1::', false],
  ['2001::a00:1', false],
  // What clouds tell their machines: AWS by IPv6, Azure, Alibaba, Oracle.
  ['fd00:ec2::254', false],
  ['168.63.129.16', false],
  ['100.100.100.200', false],
  ['192.0.0.192', false],
  // Of no use to anybody but an attacker.
  ['198.18.0.1', false],
  ['192.0.2.1', false],
  ['192.88.99.1', false],
  ['240.0.0.1', false],
  ['fec0::1', false],
  ['ff02::1', false],
  ['2001:db8::1', false],
  ['100::1', false],
  ['4000::1', false],
  ['not an address', false],
])('%s is public: %s', (address, isPublic) => {
  expect(isAllowed(address, false)).toBe(isPublic);
  expect(isAllowed(address, true)).toBe(isPublic);
});

test.each(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'])(
  '%s is for a sandbox only',
  (address) => {
    expect(isAllowed(address, false)).toBe(false);
    expect(isAllowed(address, true)).toBe(true);
  },
);

let server: Server;
let url: string;
let poster: Poster;
let bytesSent = 0;
beforeAll(async () => {
  server = createServer((request, response) => {
    const answers: Record<string, () => void> = {
      '/ok': () => response.end('taken'),
      '/redirect': () => response.writeHead(302, { location: '/ok' }).end(),
      '/never': () => undefined,
      '/cut': () => response.destroy(),
      '/huge': () => {
        const send = () => {
          while (bytesSent < 10_000_000 && !response.destroyed) {
            bytesSent += 10_000;
            if (!response.write('x'.repeat(10_000))) return response.once('drain', send);
          }
          return response.end();
        };
        send();
      },
    };
    answers[request.url ?? '']?.();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as AddressInfo;
  url = `http://127.0.0.1:${address.port}`;
  poster = createPoster(true);
});
afterAll(async () => {
  await poster.close();
  server.closeAllConnections();
  server.close();
});

/** What is to be answered has time for it. */
const post = (path: string, by = poster) =>
  by.post(`${url}${path}`, {}, '{}', path === '/never' ? 500 : 10_000);

test('an answer is told with its begin', async () => {
  expect(await post('/ok')).toMatchObject({ statusCode: 200, error: null, response: 'taken' });
});

test('a redirect is an answer, and is not followed', async () => {
  expect(await post('/redirect')).toMatchObject({ statusCode: 302 });
});

test.each([
  ['/never', 'no answer in time'],
  ['/cut', 'UND_ERR_SOCKET'],
])('%s is no answer: %s', async (path, error) => {
  expect(await post(path)).toMatchObject({ statusCode: null, error, response: null });
});

test('of ten megabytes two kilobytes are read', async () => {
  const { statusCode, response } = await post('/huge');
  expect([statusCode, response?.length]).toEqual([200, 2_048]);
  expect(bytesSent).toBeLessThan(5_000_000);
});

test('a port of another service is refused, of endpoints that are stored already too', async () => {
  const error = 'the port is not 443, or 1024 and above';
  for (const port of [22, 25, 80, 1023]) {
    const at = `https://127.0.0.1:${port}/`;
    expect(await poster.post(at, {}, '{}', 10_000)).toMatchObject({ statusCode: null, error });
  }
});

test('without a sandbox this machine is refused, by number and by name', async () => {
  const strict = createPoster(false);
  const refused = { statusCode: null, error: 'the address is not a public one' };
  expect(await post('/ok', strict)).toMatchObject(refused);
  const byName = url.replace('127.0.0.1', 'localhost');
  expect(await strict.post(`${byName}/ok`, {}, '{}', 10_000)).toMatchObject(refused);
  expect(await strict.post(url.replace('127.0.0.1', '2130706433'), {}, '{}', 10_000)).toMatchObject(
    {
      statusCode: null,
    },
  );
  await strict.close();
});
