import { createServer } from 'node:net';
import { holdPort, pickPort } from '../../sandbox/ports.ts';

const servers: ReturnType<typeof createServer>[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    await new Promise((resolve) => server.close(resolve));
  }
});

async function occupy(port: number): Promise<void> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
}

test('a free preferred port is kept', async () => {
  const { port } = await pickPort(0);
  expect(await pickPort(port)).toEqual({ port, wasTaken: false });
});

test('a taken preferred port is replaced, and that is said', async () => {
  const { port } = await pickPort(0);
  await occupy(port);
  const picked = await pickPort(port);
  expect(picked.wasTaken).toBe(true);
  expect(picked.port).not.toBe(port);
});

test('of several preferred ports the first that is free is had', async () => {
  const [{ port: last }, { port: usual }] = [await pickPort(0), await pickPort(0)];
  expect(await pickPort(last, usual)).toEqual({ port: last, wasTaken: false });
  await occupy(last);
  expect(await pickPort(last, usual)).toEqual({ port: usual, wasTaken: true });
  await occupy(usual);
  const picked = await pickPort(last, usual);
  expect([picked.wasTaken, [last, usual].includes(picked.port)]).toEqual([true, false]);
  expect(await pickPort(0)).toMatchObject({ wasTaken: false });
});

test('what is picked can be bound', async () => {
  const { port } = await pickPort(0);
  await expect(occupy(port)).resolves.toBeUndefined();
});

test('any free port is none of those for outgoing connections, and another each time', async () => {
  const ports = new Set<number>();
  for (let round = 0; round < 50; round += 1) ports.add((await pickPort(0)).port);
  expect(ports.size).toBe(50);
  expect(Math.max(...ports)).toBeLessThan(32_768);
  expect(Math.min(...ports)).toBeGreaterThan(10_000);
});

test('a port that is held stays ours until it is let go of', async () => {
  const { port, release } = await holdPort(0);
  expect(await pickPort(port)).toEqual({
    port: expect.not.stringMatching(`^${port}$`),
    wasTaken: true,
  });
  await release();
  await release();
  await expect(occupy(port)).resolves.toBeUndefined();
});
