import { SettingsError } from '../config/settings-error.ts';
import { findSetupError } from '../db/session.ts';
import { isDatabaseUnavailable } from '../db/unavailable.ts';

/** Something that the person at the keyboard can remedy: told in words, without a stack. */
export class Refusal extends Error {}

/**
 * Runs a script to its exit code: what it answers, or 2 for what a person can mend. Anything else
 * is a fault of ours and shows where it is.
 */
export async function runToExitCode(run: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await run();
  } catch (error) {
    const words = describe(error);
    if (words === null) throw error;
    console.error(words);
    process.exitCode = 2;
  }
}

function describe(error: unknown): string | null {
  if (error instanceof Refusal || error instanceof SettingsError) return error.message;
  const setup = findSetupError(error);
  if (setup !== null) return setup.message;
  if (!isDatabaseUnavailable(error) || !(error instanceof Error)) return null;
  return `the database of DATABASE_URL cannot be used: ${causeOf(error).message}`;
}

/** The driver's own words. */
function causeOf(error: Error): Error {
  return error.cause instanceof Error ? causeOf(error.cause) : error;
}
