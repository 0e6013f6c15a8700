/** Every workflow of this engine, for the bundle. */
export { deliver } from './deliver.ts';
export { lateOutcome } from './late-outcome.ts';
export { lateRefund } from './late-refund.ts';
export { payment } from './payment.ts';
export { refund } from './refund.ts';
export { sweep } from './sweep.ts';
