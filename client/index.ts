/** The client for merchants. To run it needs Node 20.3 and `standardwebhooks`, nothing else. */
export { MalipoConnectionError, MalipoError } from './errors.ts';
export type { List } from './list.ts';
export { Malipo, type MalipoOptions } from './malipo.ts';
export type { WaitForPayment } from './payments.ts';
export type { KeyedOptions, RequestOptions } from './send.ts';
export type * from './types.ts';
export { verifyWebhook, WebhookVerificationError } from './verify-webhook.ts';
export type { WaitOptions } from './wait.ts';
