import type { z } from 'zod';
import type {
  apiKeyShape,
  createApiKeyBody,
  listApiKeysQuery,
  newApiKeyShape,
  revokeApiKeyQuery,
  revokedApiKeyShape,
} from '../api/api-keys/shape.ts';
import type { problemShape } from '../api/errors.ts';
import type { deliveredEventShape, eventShape } from '../api/events/present.ts';
import type { listDeliveriesQuery, listEventsQuery } from '../api/events/schema.ts';
import type {
  capturePaymentBody,
  createPaymentBody,
  listPaymentsQuery,
} from '../api/payments/schema.ts';
import type {
  auditEntryShape,
  executionShape,
  paymentShape,
  verifiedPaymentShape,
} from '../api/payments/shape.ts';
import type {
  configShape,
  patchConfigBody,
  putConfigBody,
} from '../api/provider-configs/schema.ts';
import type { createRefundBody } from '../api/refunds/schema.ts';
import type { refundExecutionShape, refundShape } from '../api/refunds/shape.ts';
import type { pageQuery } from '../api/schema.ts';
import type { pageOf } from '../api/shape.ts';
import type {
  createdEndpointShape,
  createEndpointBody,
  deliveryShape,
  deliveryWithAttemptsShape,
  endpointShape,
  newEndpointShape,
  recoveryShape,
  testDeliveryShape,
  updateEndpointBody,
} from '../api/webhook-endpoints/shape.ts';
import type { OperationName } from './operations.ts';

/** What the API answers with, from the very schemas that its tests hold its answers against. */
export type Payment = z.output<typeof paymentShape>;
/** With `verification`: whether the provider was asked. */
export type VerifiedPayment = z.output<typeof verifiedPaymentShape>;
export type PaymentStatus = Payment['status'];
export type AuditEntry = z.output<typeof auditEntryShape>;
export type Execution = z.output<typeof executionShape>;
export type Refund = z.output<typeof refundShape>;
export type RefundExecution = z.output<typeof refundExecutionShape>;
export type ProviderConfig = z.output<typeof configShape>;
export type WebhookEndpoint = z.output<typeof endpointShape>;
/** Its secret is told this once; null where the endpoint was there before. */
export type NewWebhookEndpoint = z.output<typeof createdEndpointShape>;
export type WebhookEndpointWithSecret = z.output<typeof newEndpointShape>;
export type MalipoEvent = z.output<typeof eventShape>;
/** An event as it is POSTed to an endpoint. */
export type DeliveredEvent = z.output<typeof deliveredEventShape>;
export type Delivery = z.output<typeof deliveryShape>;
export type DeliveryWithAttempts = z.output<typeof deliveryWithAttemptsShape>;
export type ApiKey = z.output<typeof apiKeyShape>;
/** The key itself is told this once. */
export type NewApiKey = z.output<typeof newApiKeyShape>;
export type RevokedApiKey = z.output<typeof revokedApiKeyShape>;
export type Problem = z.output<typeof problemShape>;
export type TestDelivery = z.output<typeof testDeliveryShape>;
export type Recovery = z.output<typeof recoveryShape>;
/** One page of a list; `next_cursor` asks for the next one, null says that there is none. */
export type Page<T> = z.output<ReturnType<typeof pageOf<z.ZodType<T>>>>;

/** What the API takes. */
export type CreatePayment = z.input<typeof createPaymentBody>;
export type CapturePayment = z.input<typeof capturePaymentBody>;
export type CreateRefund = z.input<typeof createRefundBody>;
export type PutProviderConfig = z.input<typeof putConfigBody>;
export type PatchProviderConfig = z.input<typeof patchConfigBody>;
export type CreateWebhookEndpoint = z.input<typeof createEndpointBody>;
export type UpdateWebhookEndpoint = z.input<typeof updateEndpointBody>;
export type CreateApiKey = z.input<typeof createApiKeyBody>;

/** What lists are asked for. `limit` is the size of a page; an iteration goes on to the end. */
export type ListPayments = Partial<z.output<typeof listPaymentsQuery>>;
export type ListRefunds = Partial<z.output<typeof pageQuery>>;
export type ListWebhookEndpoints = Partial<z.output<typeof pageQuery>>;
export type ListEvents = Partial<z.output<typeof listEventsQuery>>;
export type ListDeliveries = Partial<z.output<typeof listDeliveriesQuery>>;
export type ListApiKeys = Partial<z.output<typeof listApiKeysQuery>>;

/** What becomes of the keys that a revoked key made. */
export type RevokeApiKey = Partial<z.output<typeof revokeApiKeyQuery>>;

/** What each operation answers. */
type Answers = {
  // table
  createPayment: Payment;
  listPayments: Page<Payment>;
  getPayment: Payment;
  cancelPayment: Payment;
  capturePayment: Payment;
  verifyPayment: VerifiedPayment;
  getPaymentTimeline: Page<AuditEntry>;
  getPaymentExecution: Execution;
  createRefund: Refund;
  listRefunds: Page<Refund>;
  getRefund: Refund;
  getRefundExecution: RefundExecution;
  listProviderConfigs: Page<ProviderConfig>;
  getProviderConfig: ProviderConfig;
  putProviderConfig: ProviderConfig;
  patchProviderConfig: ProviderConfig;
  createWebhookEndpoint: NewWebhookEndpoint;
  listWebhookEndpoints: Page<WebhookEndpoint>;
  getWebhookEndpoint: WebhookEndpoint;
  updateWebhookEndpoint: WebhookEndpoint;
  deleteWebhookEndpoint: undefined;
  rotateWebhookSecret: WebhookEndpointWithSecret;
  testWebhookEndpoint: TestDelivery;
  recoverWebhookEndpoint: Recovery;
  listEvents: Page<MalipoEvent>;
  getEvent: MalipoEvent;
  listDeliveries: Page<Delivery>;
  getDelivery: DeliveryWithAttempts;
  resendDelivery: DeliveryWithAttempts;
  listApiKeys: Page<ApiKey>;
  createApiKey: NewApiKey;
  revokeApiKey: RevokedApiKey;
};
// An operation without a row above does not compile.
export type AnswerOf<N extends OperationName> = Answers[N];
