import type { z } from 'zod';
import type {
  apiKeyResponse,
  createApiKeyBody,
  listApiKeysQuery,
  newApiKeyResponse,
  revokeApiKeyQuery,
  revokedApiKeyResponse,
} from '../../api/api-keys/response.ts';
import type { problemResponse } from '../../api/errors.ts';
import type { deliveredEventResponse, eventResponse } from '../../api/events/present.ts';
import type { listDeliveriesQuery, listEventsQuery } from '../../api/events/schema.ts';
import type {
  auditEntryResponse,
  executionResponse,
  paymentResponse,
  verifiedPaymentResponse,
} from '../../api/payments/response.ts';
import type {
  capturePaymentBody,
  createPaymentBody,
  listPaymentsQuery,
} from '../../api/payments/schema.ts';
import type {
  configResponse,
  patchConfigBody,
  putConfigBody,
} from '../../api/provider-configs/schema.ts';
import type { refundExecutionResponse, refundResponse } from '../../api/refunds/response.ts';
import type { createRefundBody } from '../../api/refunds/schema.ts';
import type { pageOf } from '../../api/response.ts';
import type { pageQuery } from '../../api/schema.ts';
import type {
  createdEndpointResponse,
  createEndpointBody,
  deliveryResponse,
  deliveryWithAttemptsResponse,
  endpointResponse,
  newEndpointResponse,
  recoveryResponse,
  testDeliveryResponse,
  updateEndpointBody,
} from '../../api/webhook-endpoints/response.ts';
import type * as client from '../../client/types.ts';

/**
 * What merchants get is written out in plain TypeScript, by scripts/client-types.ts. Here the
 * compiler compares it with what zod makes of the same schemas: each line is true, or `npm run
 * check` fails.
 */
type Flat<T> = T extends object ? { [K in keyof T]: Flat<T[K]> } : T;
type Same<A, B> =
  (<T>() => T extends Flat<A> ? 1 : 2) extends <T>() => T extends Flat<B> ? 1 : 2 ? true : false;
/** For what names fewer events than its schema's type: those that an endpoint may ask for. */
type Within<A, B> = A extends B ? true : false;
/** A filter of a list may be left out, and `undefined` leaves it out as well. */
type Filters<T> = { [K in keyof T]?: T[K] | undefined };
type Takes<Given, Q> = Q extends Given ? (keyof Q extends keyof Given ? true : false) : false;

type Page<T extends z.ZodType> = z.output<ReturnType<typeof pageOf<T>>>;

type AllTrue<T extends Readonly<Record<keyof T, true>>> = T;
type AllFalse<T extends Readonly<Record<keyof T, false>>> = T;

// biome-ignore format: table, one row per line
export type Compared = AllTrue<{
  Payment: Same<client.Payment, z.output<typeof paymentResponse>>;
  VerifiedPayment: Same<client.VerifiedPayment, z.output<typeof verifiedPaymentResponse>>;
  AuditEntry: Same<client.AuditEntry, z.output<typeof auditEntryResponse>>;
  Execution: Same<client.Execution, z.output<typeof executionResponse>>;
  Refund: Same<client.Refund, z.output<typeof refundResponse>>;
  RefundExecution: Same<client.RefundExecution, z.output<typeof refundExecutionResponse>>;
  ProviderConfig: Same<client.ProviderConfig, z.output<typeof configResponse>>;
  WebhookEndpoint: Same<client.WebhookEndpoint, z.output<typeof endpointResponse>>;
  NewWebhookEndpoint: Same<client.NewWebhookEndpoint, z.output<typeof createdEndpointResponse>>;
  WebhookEndpointWithSecret: Same<client.WebhookEndpointWithSecret, z.output<typeof newEndpointResponse>>;
  MalipoEvent: Same<client.MalipoEvent, z.output<typeof eventResponse>>;
  DeliveredEvent: Same<client.DeliveredEvent, z.output<typeof deliveredEventResponse>>;
  Delivery: Same<client.Delivery, z.output<typeof deliveryResponse>>;
  DeliveryWithAttempts: Same<client.DeliveryWithAttempts, z.output<typeof deliveryWithAttemptsResponse>>;
  ApiKey: Same<client.ApiKey, z.output<typeof apiKeyResponse>>;
  NewApiKey: Same<client.NewApiKey, z.output<typeof newApiKeyResponse>>;
  RevokedApiKey: Same<client.RevokedApiKey, z.output<typeof revokedApiKeyResponse>>;
  Problem: Same<client.Problem, z.output<typeof problemResponse>>;
  TestDelivery: Same<client.TestDelivery, z.output<typeof testDeliveryResponse>>;
  Recovery: Same<client.Recovery, z.output<typeof recoveryResponse>>;
  CreatePayment: Same<client.CreatePayment, z.input<typeof createPaymentBody>>;
  CapturePayment: Same<client.CapturePayment, z.input<typeof capturePaymentBody>>;
  CreateRefund: Same<client.CreateRefund, z.input<typeof createRefundBody>>;
  PutProviderConfig: Same<client.PutProviderConfig, z.input<typeof putConfigBody>>;
  PatchProviderConfig: Same<client.PatchProviderConfig, z.input<typeof patchConfigBody>>;
  CreateWebhookEndpoint: Within<client.CreateWebhookEndpoint, z.input<typeof createEndpointBody>>;
  UpdateWebhookEndpoint: Within<client.UpdateWebhookEndpoint, z.input<typeof updateEndpointBody>>;
  CreateApiKey: Same<client.CreateApiKey, z.input<typeof createApiKeyBody>>;
  Page: Same<client.Page<client.Refund>, Page<typeof refundResponse>>;
  ListPayments: Takes<client.ListPayments, Filters<z.output<typeof listPaymentsQuery>>>;
  ListRefunds: Takes<client.ListRefunds, Filters<z.output<typeof pageQuery>>>;
  ListWebhookEndpoints: Takes<client.ListWebhookEndpoints, Filters<z.output<typeof pageQuery>>>;
  ListEvents: Takes<client.ListEvents, Filters<z.output<typeof listEventsQuery>>>;
  ListDeliveries: Takes<client.ListDeliveries, Filters<z.output<typeof listDeliveriesQuery>>>;
  ListApiKeys: Takes<client.ListApiKeys, Filters<z.output<typeof listApiKeysQuery>>>;
  RevokeApiKey: Takes<client.RevokeApiKey, Filters<z.output<typeof revokeApiKeyQuery>>>;
}>;

/** The comparison itself can fail. */
export type Different = AllFalse<{
  other: Same<{ a: string }, { a: number }>;
  nullable: Same<{ a: string }, { a: string | null }>;
  optional: Same<{ a?: string }, { a: string }>;
  deeper: Same<{ a: { b: 1 }[] }, { a: { b: 2 }[] }>;
  within: Within<{ a: 1 | 2 }, { a: 1 }>;
  list: Takes<{ status?: 'failed'[] }, Filters<{ status: ('failed' | 'canceled')[] }>>;
  filter: Takes<{ limit?: number }, Filters<{ limit: number; cursor: string }>>;
}>;
