import { connect, createServer, type Socket } from 'node:net';

/** What a pooler does with the settings that a client asks for when it connects. */
export type PoolerMode = 'drops' | 'refuses';

export type Pooler = {
  readonly url: string;
  countConnections(): number;
  close(): Promise<void>;
};

/** What PgBouncer keeps of them; see its ignore_startup_parameters. */
const KEPT = new Set(['user', 'database', 'client_encoding', 'application_name']);

/**
 * Stands before PostgreSQL as PgBouncer does where settings are concerned: it passes none on. With
 * `ignore_startup_parameters` it drops them without a word, without it refuses the connection.
 */
export async function openPooler(databaseUrl: string, mode: PoolerMode): Promise<Pooler> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((inside) => {
    connections += 1;
    const outside = connect(Number(target.port), target.hostname);
    for (const socket of [inside, outside]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        inside.destroy();
        outside.destroy();
      });
    }
    inside.once('data', (first) => {
      const asked = readStartup(first);
      const foreign = [...asked.keys()].find((name) => !KEPT.has(name));
      if (mode === 'refuses' && foreign !== undefined) {
        inside.end(refusal(`unsupported startup parameter: ${foreign}`));
        return;
      }
      outside.write(writeStartup([...asked].filter(([name]) => KEPT.has(name))));
      inside.pipe(outside).pipe(inside);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const url = new URL(databaseUrl);
  url.port = String(typeof address === 'object' && address !== null ? address.port : 0);
  return {
    url: url.toString(),
    countConnections: () => connections,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

const PROTOCOL = 196_608;

/** Length, protocol 3.0, then names and values, each ended by a zero. */
function readStartup(bytes: Buffer): ReadonlyMap<string, string> {
  if (bytes.readInt32BE(4) !== PROTOCOL) throw new Error('this is no startup message');
  const words = bytes.subarray(8, bytes.readInt32BE(0)).toString('utf8').split('\0');
  const pairs: [string, string][] = [];
  for (let at = 0; (words[at] ?? '') !== ''; at += 2) {
    pairs.push([words[at] ?? '', words[at + 1] ?? '']);
  }
  return new Map(pairs);
}

function writeStartup(pairs: readonly (readonly [string, string])[]): Buffer {
  const text = Buffer.from(`${pairs.map((pair) => `${pair.join('\0')}\0`).join('')}\0`);
  const head = Buffer.alloc(8);
  head.writeInt32BE(8 + text.length, 0);
  head.writeInt32BE(PROTOCOL, 4);
  return Buffer.concat([head, text]);
}

/** An ErrorResponse as PgBouncer sends it. */
function refusal(message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C08P01\0M${message}\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(4 + fields.length, 1);
  return Buffer.concat([head, fields]);
}
