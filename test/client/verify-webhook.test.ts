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

describe('a secret', () => {
  it.each([
    ['with a blank at its end', `${SECRET} `],
    ['with a line end', `${SECRET}\r\n`],
    ['with no-break spaces around', `\u00a0${SECRET}\u00a0`],
    ['with marks that nobody sees', `\ufeff\u200b${SECRET}\u200e`],
    ['without its first letters', SECRET.replace('whsec_', '')],
  ])('%s is taken', (_, secret) => {
    expect(verifyWebhook(BODY, sign([SECRET]), secret)).toEqual(EVENT);
  });

  it.each([
    ['of another prefix', `v1,${SECRET}`],
    ['of a key', SECRET.replace('whsec_', 'sk_test_')],
    ['of a public key', SECRET.replace('whsec_', 'whpk_')],
    ['in quotes', `"${SECRET}"`],
    ['with a blank inside', `${SECRET.slice(0, 20)} ${SECRET.slice(20)}`],
    ['of letters that are not base64', 'whsec_ßß'],
    ['of nothing', ''],
    ['of the prefix alone', 'whsec_'],
  ])('%s is told to have the wrong form', (_, secret) => {
    const verify = () => verifyWebhook(BODY, sign([SECRET]), secret);
    expect(verify).toThrow(WebhookVerificationError);
    expect(verify).toThrow(/whsec_….*created/);
    expect(verify).not.toThrow(/Base64|base64/);
  });

  it('that is not set at all is told so too', () => {
    const unset = JSON.parse('{}').secret;
    expect(() => verifyWebhook(BODY, sign([SECRET]), unset)).toThrow(WebhookVerificationError);
  });
});

function timeOf({ 'webhook-timestamp': time = '' }: Record<string, string>) {
  return { 'webhook-timestamp': time };
}
