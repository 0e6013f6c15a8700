import { createHmac, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { arrange } from './disorder.ts';
import type { Ledger } from './ledger.ts';
import type { Settings } from './settings.ts';

export type Endpoint = { readonly url: string; readonly secrets: readonly string[] };
export type Events = {
  /** Where events go; all of its secrets sign, as during a rotation. Null: nowhere. */
  endpoint: Endpoint | null;
  /** Tells of a change; returns when it may be answered for, see `webhook: before_answer`. */
  tell(type: string, object: { readonly id: string }): Promise<void>;
  /** Sends the latest event about an object once more; false when there was none. */
  redeliver(about: string): boolean;
  /** Runs something later, unless the simulator was closed. */
  later(ms: number, task: () => void | Promise<void>): void;
  close(): void;
};

const OLD_SECONDS = 3_600;

/** Stripe's outgoing webhooks: signed, sent again until taken, in no order. */
export function openEvents(ledger: Ledger, settings: Settings, endpoint: Endpoint | null): Events {
  const closing = new AbortController();
  const { signal } = closing;
  const send = async (to: Endpoint, id: string, type: string, about: string, body: string) => {
    for (const pauseMs of [0, ...settings.webhook_retry_ms]) {
      if (pauseMs > 0) await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      const status = await post(to.url, body, sign(settings, to.secrets, body), signal);
      ledger.write({ kind: 'event', event: { id, type, about, status } });
      if (status >= 200 && status < 300) return;
    }
  };
  const latest = new Map<string, () => Promise<void>>();
  const later: Events['later'] = (ms, task) => {
    sleep(ms, undefined, { signal }).then(task, () => undefined);
  };
  const gathered: (() => Promise<unknown>)[] = [];
  /** Those of one delay leave one after another, each when the one before was taken. */
  const gather = (deliver: () => Promise<unknown>) => {
    gathered.push(deliver);
    if (gathered.length > 1) return;
    later(settings.webhook_delay_ms, async () => {
      for (const each of arrange(gathered.splice(0), settings.order)) await each();
    });
  };
  const events: Events = {
    endpoint,
    async tell(type, object) {
      const to = events.endpoint;
      if (to === null || settings.webhook === 'never') return;
      const id = `evt_${randomBytes(12).toString('hex')}`;
      const created = Math.floor(Date.now() / 1000);
      const body = JSON.stringify({ id, object: 'event', type, created, data: { object } });
      const deliver = () => send(to, id, type, object.id, body);
      latest.set(object.id, deliver);
      if (settings.webhook === 'before_answer') return await deliver();
      const deliverAll = () =>
        Promise.all(Array.from({ length: settings.duplicates }, () => deliver()));
      if (settings.order !== 'sent') gather(deliverAll);
      else later(settings.webhook_delay_ms, () => void deliverAll());
    },
    redeliver(about) {
      const deliver = latest.get(about);
      void deliver?.();
      return deliver !== undefined;
    },
    later,
    close: () => closing.abort(),
  };
  return events;
}

function sign(settings: Settings, secrets: readonly string[], body: string): string {
  const seconds = Math.floor(Date.now() / 1000) - (settings.signature === 'old' ? OLD_SECONDS : 0);
  const used = settings.signature === 'forged' ? ['whsec_nobody_knows_this'] : secrets;
  const macs = used.map((secret) => {
    return `v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`;
  });
  return [`t=${seconds}`, ...macs].join(',');
}

/** The receiver's status; 0 when there was none. */
async function post(
  url: string,
  body: string,
  signature: string,
  signal: AbortSignal,
): Promise<number> {
  try {
    const headers = { 'content-type': 'application/json', 'stripe-signature': signature };
    const answer = await request(url, { method: 'POST', headers, body, signal });
    await answer.body.dump();
    return answer.statusCode;
  } catch {
    return 0;
  }
}
