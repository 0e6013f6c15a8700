import type {
  ApiKey,
  AuditEntry,
  Delivery,
  DeliveryWithAttempts,
  Execution,
  MalipoEvent,
  NewApiKey,
  NewWebhookEndpoint,
  Payment,
  ProviderConfig,
  Recovery,
  Refund,
  RefundExecution,
  RevokedApiKey,
  TestDelivery,
  VerifiedPayment,
  WebhookEndpoint,
  WebhookEndpointWithSecret,
} from './generated.ts';
import type { OperationName } from './operations.ts';

export type * from './generated.ts';

export type PaymentStatus = Payment['status'];
/** One page of a list; `next_cursor` asks for the next one, null says that there is none. */
export type Page<T> = {
  object: 'list';
  data: T[];
  has_more: boolean;
  next_cursor: string | null;
};

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
