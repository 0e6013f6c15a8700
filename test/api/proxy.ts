import { connect, createServer, type Socket } from 'node:net';
import { pickPort } from '../../sandbox/ports.ts';

export type TestProxy = {
  /** The address that leads through it. */
  readonly url: string;
  /** Cuts every connection; nobody answers there from now on. */
  shut(): Promise<void>;
};

/**
 * Stands between a client and its database, so that the database can go away for that client.
 * @param port 0 for any free one.
 */
export async function openProxy(databaseUrl: string, port = 0): Promise<TestProxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const server = createServer((inside) => {
    const outside = connect(Number(target.port), target.hostname);
    inside.pipe(outside).pipe(inside);
    for (const socket of [inside, outside]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        inside.destroy();
        outside.destroy();
      });
    }
  });
  // What the system gives to anybody could be another test's once the proxy is shut.
  const own = port === 0 ? (await pickPort(0)).port : port;
  await new Promise<void>((resolve) => server.listen(own, '127.0.0.1', resolve));
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String(own);
  return {
    url: url.toString(),
    async shut() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
