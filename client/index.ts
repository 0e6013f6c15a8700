/** The client for merchants. At run time it needs Node 24 and `standardwebhooks`, nothing else. */
export { WebhookVerificationError } from 'standardwebhooks';
export { MalipoConnectionError, MalipoError } from './errors.ts';
export type { List } from './list.ts';
export { Malipo, type MalipoOptions } from './malipo.ts';
export type { WaitForPayment } from './payments.ts';
export type { KeyedOptions, RequestOptions } from './send.ts';
export type * from './types.ts';
export { verifyWebhook } from './verify-webhook.ts';
export type { WaitOptions } from './wait.ts';
