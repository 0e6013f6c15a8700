import { createHmac, randomBytes } from 'node:crypto';
import { verifyWebhook, WebhookVerificationError } from '../../client/index.ts';

/** Signed here as the specification of Standard Webhooks has it, without any library. */
const makeSecret = () => `whsec_${randomBytes(24).toString('base64')}`;
const SECRET = makeSecret();
const EVENT = {
  id: 'msg_1',
  type: 'payment.succeeded',
  timestamp: '2026-11-24T09:00:00.123Z',
  data: { object: 'payment', id: 'pay_1', description: 'Ugali – 100 ¥' },
};
const BODY = JSON.stringify(EVENT);

function sign(secrets: readonly string[], ageSeconds = 0): Record<string, string> {
  const time = Math.floor(Date.now() / 1000) - ageSeconds;
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
    const signed = createHmac('sha256', key).update(`${EVENT.id}.${time}.${BODY}`);
    return `v1,${signed.digest('base64')}`;
  });
  return {
    'webhook-id': EVENT.id,
    'webhook-timestamp': String(time),
    'webhook-signature': signatures.join(' '),
  };
}

describe('is the event', () => {
  it.each([
    ['as text', BODY, sign([SECRET])],
    ['as bytes', new TextEncoder().encode(BODY), sign([SECRET])],
    ['as a Buffer', Buffer.from(BODY), sign([SECRET])],
    ['with Headers', BODY, new Headers(sign([SECRET]))],
    [
      'with more headers, as Node gives them',
      BODY,
      { ...sign([SECRET]), cookie: ['a', 'b'], te: undefined },
    ],
    ['signed by the next secret as well', BODY, sign([makeSecret(), SECRET])],
    ['four minutes old', BODY, sign([SECRET], 240)],
  ])('%s', (_, body, headers) => {
    expect(verifyWebhook(body, headers, SECRET)).toEqual(EVENT);
  });
});

describe('is refused', () => {
  const { 'webhook-id': _id, ...withoutId } = sign([SECRET]);
  it.each([
    ['by another secret', BODY, sign([makeSecret()])],
    ['with another body', BODY.replace('pay_1', 'pay_2'), sign([SECRET])],
    ['parsed and written again', JSON.stringify(EVENT, null, 2), sign([SECRET])],
    ['under another id', BODY, { ...sign([SECRET]), 'webhook-id': 'msg_2' }],
    ['without an id', BODY, withoutId],
    ['without a signature', BODY, { ...sign([SECRET]), 'webhook-signature': 'v1' }],
    ['six minutes old', BODY, sign([SECRET], 360)],
    ['from six minutes ahead', BODY, sign([SECRET], -360)],
    ['with the time of another', BODY, { ...sign([SECRET], 200), ...timeOf(sign([SECRET])) }],
    ['with a mark before its first letter', `\uFEFF${BODY}`, sign([SECRET])],
  ])('%s', (_, body, headers) => {
    expect(() => verifyWebhook(body, headers, SECRET)).toThrow(WebhookVerificationError);
    expect(() => verifyWebhook(Buffer.from(body), headers, SECRET)).toThrow(
      WebhookVerificationError,
    );
  });
});

function timeOf({ 'webhook-timestamp': time = '' }: Record<string, string>) {
  return { 'webhook-timestamp': time };
}
