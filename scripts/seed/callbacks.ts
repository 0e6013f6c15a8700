import { newId } from '../../db/ids.ts';
import { sql } from '../../db/sql.ts';
import { insertWebhookEvent, markDelivered, sealBody } from '../../db/webhook-events.ts';
import { makeId } from '../../domain/id.ts';
import type { Outcome } from '../../domain/outcome.ts';
import { capabilitiesOf } from '../../providers/index.ts';
import { createChance } from './chance.ts';
import type { Parts } from './parts.ts';
import type { PlannedPayment } from './plan.ts';
import type { ProviderIds } from './story.ts';

const HEX = '0123456789abcdef';
const CAPITALS = 'ABCDEFGHJKLMNPQRSTUVWXYZ0123456789';

type Wire = {
  readonly ids: (payment: PlannedPayment) => ProviderIds;
  /** The body of a callback, roughly as the provider writes it. */
  readonly body: (payment: PlannedPayment, outcome: Outcome) => unknown;
};
/** What providers of the demo call things. */
const WIRES: Readonly<Record<string, Wire>> = {
  mpesa: {
    ids: ({ chance, createdMs }) => {
      const stamp = new Date(createdMs).toISOString().replaceAll(/\D/g, '').slice(0, 14);
      const receipt = `U${chance.text(CAPITALS, 9)}`;
      return { providerPaymentId: `ws_CO_${stamp}${chance.text('0123456789', 12)}`, receipt };
    },
    body: ({ amountMinor, payer }, { providerPaymentId, providerCode, receipt }) => ({
      Body: {
        stkCallback: {
          CheckoutRequestID: providerPaymentId,
          ResultCode: Number(providerCode),
          ResultDesc: 'demo data',
          CallbackMetadata: {
            Item: [
              { Name: 'Amount', Value: amountMinor / 100 },
              { Name: 'MpesaReceiptNumber', Value: receipt },
              { Name: 'PhoneNumber', Value: Number(payer.phone.slice(1)) },
            ],
          },
        },
      },
    }),
  },
  stripe: {
    ids: ({ chance }) => ({
      providerPaymentId: `pi_${chance.text(HEX, 24)}`,
      receipt: `ch_${chance.text(HEX, 24)}`,
    }),
    body: ({ amountMinor, currency }, { providerPaymentId, kind }) => ({
      object: 'event',
      type: `payment_intent.${kind}`,
      data: { object: { id: providerPaymentId, amount: amountMinor, currency } },
    }),
  },
};
const OTHERS: Wire = {
  ids: ({ chance }) => ({
    providerPaymentId: `ch_${chance.text(HEX, 20)}`,
    receipt: `CP${chance.text(CAPITALS, 8)}`,
  }),
  body: ({ amountMinor, currency }, { providerPaymentId, kind }) => ({
    type: `charge.${kind}`,
    charge: { id: providerPaymentId, amount: amountMinor, currency },
  }),
};

export function providerIdsOf(payment: PlannedPayment): ProviderIds {
  return (WIRES[payment.provider] ?? OTHERS).ids(payment);
}

/** Keeps a callback as the API does, now and then one that comes twice. @returns its id. */
export async function storeCallback(
  { pool, vault }: Parts,
  payment: PlannedPayment,
  workflowId: string,
  outcome: Outcome,
): Promise<string> {
  const { provider, chance } = payment;
  const id = makeId('event', { nowMs: payment.endedMs, random: chance.bytes(10) });
  const isSigned = capabilitiesOf(provider).callback_auth === 'signature';
  const account = isSigned ? `env:${provider}` : null;
  const body = JSON.stringify((WIRES[provider] ?? OTHERS).body(payment, outcome));
  const next = {
    id,
    provider,
    account,
    eventKey: `${account ?? workflowId}:${outcome.providerPaymentId}:${outcome.kind}`,
    status: 'received',
    workflowId,
    event: outcome,
    bodyCipher: sealBody(vault, id, Buffer.from(body)),
    headers: { 'content-type': 'application/json' },
    verifiedBy: isSigned ? 'signature' : 'token',
    remoteAddress: '192.0.2.10',
    error: null,
  } as const;
  const times = chance.fraction() < 0.05 ? 2 : 1;
  let storedId = id;
  for (let come = 0; come < times; come += 1) {
    storedId = (await insertWebhookEvent(pool, next)).event.id;
  }
  await markDelivered(pool, storedId);
  return storedId;
}

const NOBODYS = 4;

/** Callbacks that named no payment of ours: they are parked until somebody looks at them. */
export async function storeNobodys({ pool, vault, seed }: Parts): Promise<void> {
  for (let number = 0; number < NOBODYS; number += 1) {
    const chance = createChance(seed, `nobody's callback ${number}`);
    const provider = chance.pick(['mpesa', 'stripe', 'cpay']);
    const eventKey = `demo-${seed}:malformed-${chance.text(HEX, 32)}`;
    const isThere = await pool.exists(sql.typeAlias('none')`
      SELECT FROM webhook_events WHERE provider = ${provider} AND event_key = ${eventKey}`);
    if (isThere) continue;
    const id = newId('event');
    await insertWebhookEvent(pool, {
      id,
      provider,
      account: null,
      eventKey,
      status: 'parked',
      workflowId: null,
      event: null,
      bodyCipher: sealBody(vault, id, Buffer.from('{"demo":"this names nothing"}')),
      headers: { 'content-type': 'application/json' },
      verifiedBy: 'token',
      remoteAddress: '192.0.2.10',
      error: 'demo data: it names no payment',
    });
  }
}
