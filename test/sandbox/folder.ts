import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** An empty folder that every user may walk into, for a PostgreSQL that does not run as root. */
export function makeFolder(): string {
  const folder = fs.mkdtempSync(join(tmpdir(), 'malipo-sandbox-'));
  fs.chmodSync(folder, 0o755);
  return folder;
}

export function removeFolder(folder: string): void {
  fs.rmSync(folder, { recursive: true, force: true });
}

/** Writes a file, by its mode a program, and answers its path. */
export function writeProgram(folder: string, name: string, text: string, mode = 0o644): string {
  const path = join(folder, name);
  fs.writeFileSync(path, text, { mode });
  return path;
}

/** Waits until the check is true; fails with the last value it saw. */
export async function until<Value>(
  look: () => Value | Promise<Value>,
  isRight: (value: Value) => boolean,
  limitMs = 15_000,
): Promise<Value> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const value = await look();
    if (isRight(value)) return value;
    if (Date.now() > deadline) throw new Error(`still ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
