import { endOnSettingsError } from '../config/settings-error.ts';
import { runApi } from './run.ts';

/** The API process. */
await endOnSettingsError(runApi);
