import { runWorker } from './run.ts';

/** The worker process: runs workflows and activities until it is told to stop. */
process.exitCode = await runWorker();
