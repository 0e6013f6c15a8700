import { healthOperations } from './health/routes.ts';
import type { Operation } from './operation.ts';
import { paymentOperations } from './payments/routes.ts';
import { providerConfigOperations } from './provider-configs/routes.ts';
import { refundOperations } from './refunds/routes.ts';

/** Every endpoint there is. Routes, access table and reference derive from this list. */
export const OPERATIONS: readonly Operation[] = [
  ...healthOperations,
  ...paymentOperations,
  ...refundOperations,
  ...providerConfigOperations,
];
