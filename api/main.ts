import { endOnSettingsError } from '../config/settings-error.ts';
import { runApi } from './run.ts';

/** The API process. It ends by itself, though a channel to its parent would keep it alive. */
await endOnSettingsError(async () => {
  await runApi();
  process.exit();
});
