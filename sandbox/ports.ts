import { createServer } from 'node:net';

export type PickedPort = { readonly port: number; readonly wasTaken: boolean };

const LOOPBACK = '127.0.0.1';
/**
 * Below the ports that systems give to outgoing connections (from 32768 on Linux): one of those
 * could take the port between its choice here and its use.
 */
const RANGE = { from: 10_240, to: 32_000 } as const;
/** Processes that choose at the same time begin that far apart. */
const STRIDE = 64;

/**
 * A port of the loopback address that is free now: the preferred one when it can be had, else any.
 * @param preferred 0 asks for any free port.
 */
export async function pickPort(preferred: number): Promise<PickedPort> {
  if (preferred === 0) return { port: await findFree(), wasTaken: false };
  try {
    return { port: await bindBriefly(preferred), wasTaken: false };
  } catch {
    return { port: await findFree(), wasTaken: true };
  }
}

/** Not where an earlier world of this process began: somebody may still call its ports. */
let chosen = process.pid * STRIDE + (Date.now() % STRIDE);

async function findFree(): Promise<number> {
  const count = RANGE.to - RANGE.from;
  for (let tries = 0; tries < count; tries += 1) {
    chosen += 1;
    const port = RANGE.from + (chosen % count);
    const isFree = await bindBriefly(port).then(
      () => true,
      () => false,
    );
    if (isFree) return port;
  }
  throw new Error(`no port from ${RANGE.from} to ${RANGE.to} is free`);
}

function bindBriefly(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port, host: LOOPBACK, exclusive: true }, () => {
      server.close(() => resolve(port));
    });
  });
}
