import { createServer } from 'node:net';

export type PickedPort = { readonly port: number; readonly wasTaken: boolean };

const LOOPBACK = '127.0.0.1';

/**
 * A port of the loopback address that is free now: the preferred one when it can be had, else any.
 * @param preferred 0 asks for any free port.
 */
export async function pickPort(preferred: number): Promise<PickedPort> {
  if (preferred === 0) return { port: await bindBriefly(0), wasTaken: false };
  try {
    return { port: await bindBriefly(preferred), wasTaken: false };
  } catch {
    return { port: await bindBriefly(0), wasTaken: true };
  }
}

function bindBriefly(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port, host: LOOPBACK, exclusive: true }, () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('no TCP address'));
        else resolve(address.port);
      });
    });
  });
}
