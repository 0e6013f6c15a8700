import { z } from 'zod';
import type { Booted } from './boot-context.ts';
import { type Home, readJson, writePrivately } from './home.ts';
import type { WorldOptions } from './world-options.ts';

const PORTS = z.record(z.string(), z.int().min(1).max(65_535));

/**
 * The port that a part had last time comes before the usual one: what was pasted, registered or
 * opened in a browser then is still right.
 * @param usual 0 asks for any.
 */
export function listPreferred(home: Home, part: string, usual: number): readonly number[] {
  if (usual === 0) return [];
  const read = PORTS.safeParse(readJson(home.ports));
  const last = read.success ? read.data[part] : undefined;
  return last === undefined ? [usual] : [last, usual];
}

/** Keeps where the parts listen, but for those that were to have any port. */
export function rememberPorts(home: Home, options: WorldOptions, booted: Booted): void {
  const { ports = {} } = options;
  const parts = [
    ['api', booted.apiUrls[0], options.apiPort ?? ports.api],
    ['postgres', options.databaseUrl ? undefined : booted.ownerDatabaseUrl, ports.postgres],
    ['temporal', options.temporal ? undefined : `tcp://${booted.temporal.address}`, ports.temporal],
    ['temporal_ui', options.temporal ? undefined : booted.temporal.uiUrl, ports.temporal_ui],
    ...booted.simulators.map(
      ({ name, url }) => [`${name} simulator`, url, ports.simulators] as const,
    ),
  ] as const;
  const found = parts.flatMap(([part, url, asked]) =>
    url && asked !== 0 ? [[part, Number(new URL(url).port)] as const] : [],
  );
  if (found.length === 0) return;
  const read = PORTS.safeParse(readJson(home.ports));
  const kept = read.success ? read.data : {};
  writePrivately(home.ports, { ...kept, ...Object.fromEntries(found) });
}
