/**
 * Something in the settings that the person who starts a process can mend. It is told in words,
 * without a stack, and the process ends with code 2.
 */
export class SettingsError extends Error {}

/** Runs a process to its end; a fault in its settings ends it with a message for people. */
export async function endOnSettingsError(run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}
