import type { SandboxDetails } from './details.ts';
import { writeTextPrivately } from './home.ts';

/**
 * What a shell reads to reach the sandbox that runs, wherever its ports turned out to be. Only
 * plain `export` lines, which every shell knows.
 * @param noProxy where the shell's proxy would stand in between.
 */
export function writeEnvFile(path: string, details: SandboxDetails, noProxy?: string): void {
  const variables = {
    MALIPO_URL: details.api_url,
    MALIPO_KEY: details.api_key,
    ...(noProxy === undefined ? {} : { no_proxy: noProxy, NO_PROXY: noProxy }),
  };
  const lines = Object.entries(variables).map(
    ([name, value]) => `export ${name}=${quoteForShell(value)}\n`,
  );
  const heading = '# The sandbox that runs now; its end takes this file away.\n';
  writeTextPrivately(path, `${heading}${lines.join('')}`);
}

/** A word that every shell takes for what it is. */
export function quoteForShell(text: string): string {
  return /^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
