import { connect, createServer, type Socket } from 'node:net';

export type Door = {
  /** The address that leads through it. */
  readonly url: string;
  /** Cuts every connection; nobody answers there from now on. */
  shut(): Promise<void>;
};

/**
 * Stands between a client and its database, so that the database can go away for that client.
 * @param port 0 for any free one.
 */
export async function openDoor(databaseUrl: string, port = 0): Promise<Door> {
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
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on a port');
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String(address.port);
  return {
    url: url.toString(),
    async shut() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
