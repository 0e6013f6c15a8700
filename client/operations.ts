/**
 * What may happen when nobody knows whether a request was heard.
 *
 * - `by_key`: it takes an Idempotency-Key, so the same again is the same payment or refund.
 * - `freely`: the same again leaves things as the first one did. Readings; a cancel, capture or
 *   verify, which are done once however often they are asked for; a PUT, PATCH or DELETE, which
 *   names the state that it wants; a delivery, which receivers know by its `webhook-id`.
 * - `once`: a second one would make a second thing: a key, a test event, or a secret that nobody
 *   has read; of an endpoint it would not tell the secret. It is sent again only when it is certain
 *   that the first was not heard.
 */
export type Repeat = 'by_key' | 'freely' | 'once';

type Operation = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: `/api/v1/${string}`;
  readonly repeat: Repeat;
};

/** Every operation of a merchant, under the name that the API's reference gives it. */
// biome-ignore format: table, one row per line
export const OPERATIONS = {
  createPayment:          { method: 'POST',   path: '/api/v1/payments',                             repeat: 'by_key' },
  listPayments:           { method: 'GET',    path: '/api/v1/payments',                             repeat: 'freely' },
  getPayment:             { method: 'GET',    path: '/api/v1/payments/{id}',                        repeat: 'freely' },
  cancelPayment:          { method: 'POST',   path: '/api/v1/payments/{id}/cancel',                 repeat: 'freely' },
  capturePayment:         { method: 'POST',   path: '/api/v1/payments/{id}/capture',                repeat: 'freely' },
  verifyPayment:          { method: 'POST',   path: '/api/v1/payments/{id}/verify',                 repeat: 'freely' },
  getPaymentTimeline:     { method: 'GET',    path: '/api/v1/payments/{id}/timeline',               repeat: 'freely' },
  getPaymentExecution:    { method: 'GET',    path: '/api/v1/payments/{id}/execution',              repeat: 'freely' },
  createRefund:           { method: 'POST',   path: '/api/v1/payments/{id}/refunds',                repeat: 'by_key' },
  listRefunds:            { method: 'GET',    path: '/api/v1/payments/{id}/refunds',                repeat: 'freely' },
  getRefund:              { method: 'GET',    path: '/api/v1/refunds/{id}',                         repeat: 'freely' },
  getRefundExecution:     { method: 'GET',    path: '/api/v1/refunds/{id}/execution',               repeat: 'freely' },
  listProviderConfigs:    { method: 'GET',    path: '/api/v1/provider-configs',                     repeat: 'freely' },
  getProviderConfig:      { method: 'GET',    path: '/api/v1/provider-configs/{provider}',          repeat: 'freely' },
  putProviderConfig:      { method: 'PUT',    path: '/api/v1/provider-configs/{provider}',          repeat: 'freely' },
  patchProviderConfig:    { method: 'PATCH',  path: '/api/v1/provider-configs/{provider}',          repeat: 'freely' },
  createWebhookEndpoint:  { method: 'POST',   path: '/api/v1/webhook-endpoints',                    repeat: 'once' },
  listWebhookEndpoints:   { method: 'GET',    path: '/api/v1/webhook-endpoints',                    repeat: 'freely' },
  getWebhookEndpoint:     { method: 'GET',    path: '/api/v1/webhook-endpoints/{id}',               repeat: 'freely' },
  updateWebhookEndpoint:  { method: 'PATCH',  path: '/api/v1/webhook-endpoints/{id}',               repeat: 'freely' },
  deleteWebhookEndpoint:  { method: 'DELETE', path: '/api/v1/webhook-endpoints/{id}',               repeat: 'freely' },
  rotateWebhookSecret:    { method: 'POST',   path: '/api/v1/webhook-endpoints/{id}/rotate-secret', repeat: 'once' },
  testWebhookEndpoint:    { method: 'POST',   path: '/api/v1/webhook-endpoints/{id}/test',          repeat: 'once' },
  recoverWebhookEndpoint: { method: 'POST',   path: '/api/v1/webhook-endpoints/{id}/recover',       repeat: 'freely' },
  listEvents:             { method: 'GET',    path: '/api/v1/events',                               repeat: 'freely' },
  getEvent:               { method: 'GET',    path: '/api/v1/events/{id}',                          repeat: 'freely' },
  listDeliveries:         { method: 'GET',    path: '/api/v1/deliveries',                           repeat: 'freely' },
  getDelivery:            { method: 'GET',    path: '/api/v1/deliveries/{id}',                      repeat: 'freely' },
  resendDelivery:         { method: 'POST',   path: '/api/v1/deliveries/{id}/resend',               repeat: 'freely' },
  listApiKeys:            { method: 'GET',    path: '/api/v1/api-keys',                             repeat: 'freely' },
  createApiKey:           { method: 'POST',   path: '/api/v1/api-keys',                             repeat: 'once' },
  revokeApiKey:           { method: 'DELETE', path: '/api/v1/api-keys/{id}',                        repeat: 'freely' },
} as const satisfies Record<string, Operation>;

export type OperationName = keyof typeof OPERATIONS;
