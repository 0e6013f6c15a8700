/** Every workflow of this engine, for the bundle. */
export { lateOutcome } from './late-outcome.ts';
export { payment } from './payment.ts';
export { sweep } from './sweep.ts';
