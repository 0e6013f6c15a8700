import { endOnSettingsError } from '../config/settings-error.ts';
import { runWorker } from './run.ts';

/**
 * The worker process: runs workflows and activities until it is told to stop. It ends by itself
 * after that, though a channel to its parent, or a connection that hangs, would keep it alive.
 */
await endOnSettingsError(async () => process.exit(await runWorker()));
