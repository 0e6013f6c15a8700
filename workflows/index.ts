/** Every workflow of this engine, for the bundle. */
export { deliver } from './deliver.ts';
export { keep } from './keep.ts';
export { lateOutcome } from './late-outcome.ts';
export { lateRefund } from './late-refund.ts';
export { payment } from './payment.ts';
export { recoverPayment } from './recovery.ts';
export { refund } from './refund.ts';
export { recoverRefund } from './refund-recovery.ts';
export { sweep } from './sweep.ts';
