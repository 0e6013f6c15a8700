import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { hasCode } from './failure.ts';
import { readCommandLine } from './process.ts';

export type PickedPort = { readonly port: number; readonly wasTaken: boolean };

/** A port that nobody else can take until it is let go of. */
export type HeldPort = PickedPort & { readonly release: () => Promise<void> };

const LOOPBACK = '127.0.0.1';
/**
 * Below the ports that systems give to outgoing connections (from 32768 on Linux): one of those
 * could take the port between its choice here and its use.
 */
const RANGE = { from: 10_240, to: 32_000 } as const;
/** Processes that choose at the same time begin that far apart. */
const STRIDE = 64;

/**
 * A port of the loopback address that is free now: the first of the preferred that can be had, else
 * any.
 * @param preferred 0 asks for any free port.
 */
export async function pickPort(...preferred: readonly number[]): Promise<PickedPort> {
  const { release, ...picked } = await holdPort(...preferred);
  await release();
  return picked;
}

/**
 * The same, and keeps it: for a port that is told to others long before it is listened at. Let go
 * of it right before its use; should somebody be quicker even then, choose again.
 */
export async function holdPort(...preferred: readonly number[]): Promise<HeldPort> {
  const wanted = preferred.filter((port) => port !== 0);
  for (const port of wanted) {
    const held = await bind(port).catch(() => null);
    if (held !== null) return { ...held, wasTaken: port !== wanted[0] };
  }
  return { ...(await findFree()), wasTaken: wanted.length > 0 };
}

/** Whether this user may listen there at all; the ports below 1024 are often the system's. */
export async function mayListen(port: number): Promise<boolean> {
  try {
    await (await bind(port)).release();
    return true;
  } catch (error) {
    return !hasCode(error, 'EACCES');
  }
}

type Bound = Omit<HeldPort, 'wasTaken'>;

/** Not where an earlier world of this process began: somebody may still call its ports. */
let chosen = process.pid * STRIDE + (Date.now() % STRIDE);

async function findFree(): Promise<Bound> {
  const count = RANGE.to - RANGE.from;
  for (let tries = 0; tries < count; tries += 1) {
    chosen += 1;
    const held = await bind(RANGE.from + (chosen % count)).catch(() => null);
    if (held !== null) return held;
  }
  throw new Error(`no port from ${RANGE.from} to ${RANGE.to} is free`);
}

function bind(port: number): Promise<Bound> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen({ port, host: LOOPBACK, exclusive: true }, () => {
      // A start that fails meanwhile must still come to its end.
      server.unref();
      resolve({ port, release: () => close(server) });
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

const LISTENING = '0A';

/** Who listens, such as `process 4711 (node api/main.ts)`; null where that is hidden. */
export function describeListener(port: number): string | null {
  try {
    const inodes = listSockets(port);
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      if (!holdsOne(pid, inodes)) continue;
      return `process ${pid} (${readCommandLine(Number(pid))?.slice(0, 120)})`;
    }
  } catch {
    // Another system than Linux.
  }
  return null;
}

function listSockets(port: number): ReadonlySet<string> {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) =>
    readFileSync(path, 'utf8').trim().split('\n').slice(1),
  );
  const rows = lines.map((line) => line.trim().split(/\s+/));
  const found = rows.filter(([, local, , state]) => local?.endsWith(wanted) && state === LISTENING);
  return new Set(found.map((row) => `socket:[${row[9]}]`));
}

function holdsOne(pid: string, sockets: ReadonlySet<string>): boolean {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).some((name) => sockets.has(readlinkSync(`${folder}/${name}`)));
  } catch {
    // Somebody else's process, or one that has ended.
    return false;
  }
}
