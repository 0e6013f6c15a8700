import { runApi } from './run.ts';

/** The API process. */
await runApi();
