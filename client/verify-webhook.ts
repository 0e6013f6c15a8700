import { WebhookVerificationError as Refusal, Webhook } from 'standardwebhooks';
import type { DeliveredEvent } from './types.ts';

/**
 * The webhook is not Malipo's, or not as Malipo sent it. A class of our own, so that our types need
 * none of the library's, which need Node's.
 */
export class WebhookVerificationError extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'WebhookVerificationError';
  }
}

type GivenHeaders = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * Proves that a webhook is Malipo's and not older than five minutes (Standard Webhooks). Keep the
 * ids of the events you have dealt with: one may come twice.
 * @param rawBody the bytes as they came. A body that was parsed and written again does not verify.
 * @param headers of the request, as Node's `request.headers` or as `Headers`.
 * @param secret `whsec_…`, as told when the endpoint was created.
 * @throws WebhookVerificationError; answer 400 and do nothing else with it.
 */
export function verifyWebhook(
  rawBody: string | Uint8Array,
  headers: GivenHeaders,
  secret: string,
): DeliveredEvent {
  const text =
    typeof rawBody === 'string' ? rawBody : new TextDecoder('utf-8', KEEP_ALL).decode(rawBody);
  verifyText(readSecret(secret), text, toRecord(headers));
  // Whoever signed it made it by the schema of this type.
  const event: DeliveredEvent = JSON.parse(text);
  return event;
}

function verifyText(webhook: Webhook, text: string, headers: Record<string, string>): void {
  try {
    webhook.verify(text, headers, { jsonParse: false });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new WebhookVerificationError(error.message, { cause: error });
  }
}

/** Blanks and marks that nobody sees come along when a secret is copied. */
const AROUND = /^[\s\p{Cf}]+|[\s\p{Cf}]+$/gu;

/** @throws WebhookVerificationError: a handler must not take a wrong setting for its own crash. */
function readSecret(secret: string): Webhook {
  try {
    return new Webhook(secret.replace(AROUND, ''));
  } catch {
    throw new WebhookVerificationError(
      'this is no webhook secret: pass the whsec_… value that came when the endpoint was created, and nothing else',
    );
  }
}

const KEEP_ALL = { ignoreBOM: true };

function toRecord(headers: GivenHeaders): Record<string, string> {
  const entries = headers instanceof Headers ? [...headers] : Object.entries(headers);
  return Object.fromEntries(entries.map(([name, value]) => [name, toText(value)]));
}

function toText(value: string | readonly string[] | undefined): string {
  return typeof value === 'string' ? value : (value ?? []).join(' ');
}
