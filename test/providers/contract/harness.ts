import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { ProviderError, type ProviderErrorKind } from '../../../domain/error.ts';
import { attemptReference } from '../../../domain/id.ts';
import { type ChargeResult, isOutcome, type LookupResult } from '../../../domain/outcome.ts';
import type {
  ChargeContext,
  ChargeRequest,
  Provider,
  ProviderClient,
  WebhookDelivery,
} from '../../../domain/provider.ts';
import type { Counterpart, LedgerPayment, Payer, ProviderDescription } from './description.ts';

/** An open counterpart, a client of it, and where its callbacks arrive. */
export type Harness = {
  readonly description: ProviderDescription;
  readonly counterpart: () => Counterpart;
  readonly client: () => ProviderClient;
  readonly receiver: () => Receiver;
  /** Closes it after the last case. */
  keep<T extends { close(): Promise<void> }>(it: T): T;
};

export function openHarness(description: ProviderDescription): Harness {
  let receiver: Receiver;
  let counterpart: Counterpart;
  let client: ProviderClient;
  // All of it is closed, whatever failed: a server that stays open keeps the run from ending.
  const opened = new AsyncDisposableStack();
  const keep: Harness['keep'] = (it) => {
    opened.defer(async () => await it.close());
    return it;
  };
  beforeAll(async () => {
    receiver = keep(await openReceiver());
    counterpart = keep(await description.open(receiver.url));
    client = keep(connect(description.provider, counterpart.credentials));
  });
  afterAll(() => opened.disposeAsync());
  return {
    description,
    counterpart: () => counterpart,
    client: () => client,
    receiver: () => receiver,
    keep,
  };
}

/** @throws Error listing the faults of credentials that are not in order. */
export function connect(
  provider: Provider,
  record: Readonly<Record<string, string>>,
): ProviderClient {
  const reading = provider.readCredentials(record);
  if (!reading.ok) throw new Error(reading.faults.join('; '));
  return provider.connect(reading.credentials);
}

export type Delivery = WebhookDelivery & { readonly path: string };
export type Receiver = {
  readonly url: string;
  /** The deliveries that are meant, once there are `count`. */
  take(isMeant: (delivery: Delivery) => boolean, count?: number): Promise<readonly Delivery[]>;
  /** Those that came until now. */
  list(): readonly Delivery[];
  close(): Promise<void>;
};

const DELIVERY_WAIT_MS = 10_000;
/** Longer than a call takes over the internet. */
export const CALL_TIMEOUT_MS = 20_000;

async function openReceiver(): Promise<Receiver> {
  const deliveries: Delivery[] = [];
  const server = createServer();
  const keep = async (request: IncomingMessage) => {
    const body = Buffer.concat(await request.toArray());
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    );
    deliveries.push({ body, headers, nowMs: Date.now(), path: request.url ?? '' });
    server.emit('delivery');
  };
  server.on('request', (request, response) => {
    void keep(request).finally(() => response.end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${portOf(server.address())}/callbacks`,
    async take(isMeant, count = 1) {
      const deadline = AbortSignal.timeout(DELIVERY_WAIT_MS);
      const meant: Delivery[] = [];
      for (let read = 0; ; ) {
        const come = deliveries.slice(read);
        read += come.length;
        meant.push(...come.filter(isMeant));
        if (meant.length >= count) return meant;
        await once(server, 'delivery', { signal: deadline });
      }
    },
    list: () => [...deliveries],
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('not listening on a port');
  return address.port;
}

/** A real service remembers the keys of earlier runs. */
const RUN = randomBytes(4).toString('hex');
let serial = 0;

/** Part of an id that no request of this run, or of another, has. */
export function ownId(own: number): string {
  return `${RUN}${String(own).padStart(4, '0')}`;
}

/** Differs for each request of a run. */
export function nextSerial(): number {
  serial += 1;
  return serial;
}

/** A request of its own ids for this payer. */
export function makeRequest(
  payer: Payer,
  callbackUrl: string,
  changes: Partial<ChargeRequest> = {},
): ChargeRequest {
  const own = nextSerial();
  const id = ownId(own);
  const workflowId = `payment-${id.padStart(32, '0')}`;
  const attemptRef = attemptReference(workflowId, 1);
  return {
    attemptRef,
    workflowId,
    idempotencyKey: `${attemptRef}/charge`,
    amount: { amountMinor: 10_000, currency: 'KES' },
    captureMethod: 'automatic',
    returnUrl: 'https://shop.example.test/back',
    reference: `ORDER-${own}`,
    description: `Order ${own}`,
    customer: { phone: null, email: null, name: null },
    paymentMethod: null,
    callbackUrl: `${callbackUrl}/${id.padStart(32, '0')}`,
    timeoutMs: CALL_TIMEOUT_MS,
    ...payer.request(own),
    ...changes,
  };
}

export function makeContext(changes: Partial<ChargeContext> = {}): ChargeContext {
  return { dispatch: async () => {}, signal: new AbortController().signal, ...changes };
}

/** The error a provider call ends in. @throws Error for an answer, or an error of another kind. */
export async function errorOf(
  call: Promise<unknown>,
  kind?: ProviderErrorKind,
): Promise<ProviderError> {
  const answer = await call.catch((error: unknown) => error);
  if (!(answer instanceof ProviderError))
    throw new Error(`no ProviderError but ${inspect(answer)}`);
  if (kind === undefined || answer.kind === kind) return answer;
  throw new Error(`not ${kind} but ${answer.kind}: ${answer.message}`, { cause: answer });
}

export function ask(
  harness: Harness,
  payer: Payer,
  changes?: Partial<ChargeRequest>,
): ChargeRequest {
  return makeRequest(payer, harness.receiver().url, changes);
}

export async function listTaken(
  harness: Harness,
  request: ChargeRequest,
): Promise<readonly number[]> {
  const payments = await harness.counterpart().listPayments(request);
  return payments.map(({ capturedMinor }) => capturedMinor);
}

/** Compares what the request left in the ledger, entry by entry. */
export async function expectLedger(
  harness: Harness,
  request: ChargeRequest,
  entries: readonly Partial<LedgerPayment>[],
): Promise<void> {
  expect(await harness.counterpart().listPayments(request)).toMatchObject(entries);
}

export function idOf({ providerPaymentId }: { readonly providerPaymentId: string | null }): string {
  if (providerPaymentId === null) throw new Error('the provider told no id');
  return providerPaymentId;
}

export function lookUp(
  harness: Harness,
  { attemptRef }: ChargeRequest,
  providerPaymentId: string | null,
  timeoutMs = CALL_TIMEOUT_MS,
): Promise<LookupResult> {
  const question = { providerPaymentId, attemptRef, timeoutMs };
  return harness.client().lookup(question, new AbortController().signal);
}

export type Settled = {
  readonly request: ChargeRequest;
  readonly providerPaymentId: string;
  readonly result: ChargeResult | LookupResult;
};

/** Charges; what is not decided at once is settled by the payer and looked up. */
export async function chargeToEnd(
  harness: Harness,
  payer: Payer,
  changes?: Partial<ChargeRequest>,
): Promise<Settled> {
  const request = ask(harness, payer, changes);
  const answer = await harness.client().charge(request, makeContext());
  const providerPaymentId = idOf(answer);
  if (isOutcome(answer)) return { request, providerPaymentId, result: answer };
  await harness.counterpart().settle(providerPaymentId, payer);
  return { request, providerPaymentId, result: await lookUp(harness, request, providerPaymentId) };
}

/** The event that a delivery tells about this payment; null for any other. */
export function eventAbout(harness: Harness, id: string, { body }: WebhookDelivery) {
  const told = harness.description.provider.webhook.translate(body);
  return told.kind === 'event' && told.event.providerPaymentId === id ? told : null;
}

export async function takeOutcomes(harness: Harness, providerPaymentId: string, count = 1) {
  const isMeant = (delivery: WebhookDelivery) => {
    const told = eventAbout(harness, providerPaymentId, delivery);
    return told !== null && isOutcome(told.event);
  };
  return await harness.receiver().take(isMeant, count);
}
