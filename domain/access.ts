/** What an API key may be allowed to do. A key holds some of these; more is never implied. */
export const SCOPES = {
  // table
  'payments:read': 'See payments, their timelines, their refunds and their events',
  'payments:write': 'Start, capture, cancel and verify payments',
  'refunds:write': 'Give money back',
  'provider_configs:read': 'See the configured accounts at the providers, secrets masked',
  'provider_configs:write': 'Configure accounts at the providers',
  'webhook_endpoints:read': 'See webhook endpoints and how deliveries to them went',
  'webhook_endpoints:write': 'Create, change and test webhook endpoints, and send again',
  'api_keys:read': 'See the merchant’s API keys, never the keys themselves',
  'api_keys:write': 'Create and revoke API keys, with no more than its own scopes',
} as const satisfies Record<string, string>;
export type Scope = keyof typeof SCOPES;

export function isScope(text: string): text is Scope {
  return Object.hasOwn(SCOPES, text);
}
export const SCOPE_NAMES: readonly Scope[] = Object.keys(SCOPES).filter(isScope);

/** What an operator is. Each may do what those before it may. */
export const ROLES = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** True when the role reaches as far as what is asked for. */
export function covers(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

/** Who may call an endpoint: anyone, a merchant's key with a scope, or an operator by role. */
export type Access =
  | { readonly kind: 'open' }
  | { readonly kind: 'merchant'; readonly scope: Scope }
  | { readonly kind: 'operator'; readonly role: Role };

/**
 * An event shows its payment: amounts, metadata, receipts. Whoever reads events, in a list or live,
 * needs what a reader of the payment needs.
 */
export const EVENT_ACCESS = { kind: 'merchant', scope: 'payments:read' } as const satisfies Access;

/** Who is calling. */
export type MerchantCaller = {
  readonly kind: 'merchant';
  readonly merchantId: string;
  readonly apiKeyId: string;
  readonly scopes: readonly Scope[];
  /** When the key ends by itself; null: never. */
  readonly expiresAtMs: number | null;
};
export type OperatorCaller = {
  readonly kind: 'operator';
  readonly operatorId: string;
  readonly email: string;
  readonly role: Role;
  /** When the access token ends. */
  readonly expiresAtMs: number;
};
export type OpenCaller = { readonly kind: 'open' };
export type Caller = OpenCaller | MerchantCaller | OperatorCaller;

/** The caller that an access lets in. */
export type CallerOf<A extends Access> = Extract<Caller, { readonly kind: A['kind'] }>;
