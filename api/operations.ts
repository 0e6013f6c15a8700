import { accountOperations } from './admin/accounts.ts';
import { activityOperations } from './admin/activity-log.ts';
import { auditOperations } from './admin/audit.ts';
import { batchOperations } from './admin/batches.ts';
import { deliveryOperations } from './admin/deliveries.ts';
import { operatorOperations } from './admin/operators.ts';
import { overviewOperations } from './admin/overview.ts';
import { adminPaymentOperations } from './admin/payments.ts';
import { proposalOperations } from './admin/proposals.ts';
import { adminProviderConfigOperations } from './admin/provider-configs.ts';
import { providerOperations } from './admin/providers.ts';
import { adminRefundOperations } from './admin/refunds.ts';
import { statisticsOperations } from './admin/statistics.ts';
import { unmatchedReceiptOperations } from './admin/unmatched-receipts.ts';
import { webhookEventOperations } from './admin/webhook-events.ts';
import { apiKeyOperations } from './api-keys/routes.ts';
import { eventOperations } from './events/routes.ts';
import { healthOperations } from './health/routes.ts';
import type { Operation } from './operation.ts';
import { paymentOperations } from './payments/routes.ts';
import { providerConfigOperations } from './provider-configs/routes.ts';
import { createReferenceOperations } from './reference/routes.ts';
import { refundOperations } from './refunds/routes.ts';
import { sessionOperations } from './sessions/routes.ts';
import { webhookEndpointOperations } from './webhook-endpoints/routes.ts';
import { callbackOperations } from './webhooks/routes.ts';

/** Every endpoint there is. Routes, access table and reference derive from this list. */
export const OPERATIONS: readonly Operation[] = [
  ...healthOperations,
  ...paymentOperations,
  ...refundOperations,
  ...providerConfigOperations,
  ...callbackOperations,
  ...webhookEndpointOperations,
  ...eventOperations,
  ...apiKeyOperations,
  ...sessionOperations,
  ...adminPaymentOperations,
  ...adminRefundOperations,
  ...unmatchedReceiptOperations,
  ...webhookEventOperations,
  ...deliveryOperations,
  ...overviewOperations,
  ...statisticsOperations,
  ...providerOperations,
  ...batchOperations,
  ...adminProviderConfigOperations,
  ...accountOperations,
  ...operatorOperations,
  ...auditOperations,
  ...activityOperations,
  ...proposalOperations,
  ...createReferenceOperations(() => OPERATIONS),
];
