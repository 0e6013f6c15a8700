import { createHmac, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import type { Ledger } from './ledger.ts';
import type { Settings } from './settings.ts';

export type Webhooks = {
  /** Sends an event, after the delay of the settings, as often as they say. */
  send(url: string, type: string, data: { readonly id: string }): void;
  /** Sends it before anything else happens. */
  sendNow(url: string, type: string, data: { readonly id: string }): Promise<void>;
  /** Sends the latest event about an object once more; false when there was none. */
  redeliver(about: string): boolean;
  /** Runs something later, unless the simulator was closed. */
  later(ms: number, task: () => void): void;
  close(): void;
};

const TRIES = 3;
const RETRY_MS = 1_000;
const OLD_SECONDS = 3_600;

/** @param secrets all of them sign, as during a rotation. */
export function openWebhooks(
  ledger: Ledger,
  settings: Settings,
  secrets: readonly string[],
): Webhooks {
  const closing = new AbortController();
  const { signal } = closing;
  const post = async (url: string, body: string, id: string, about: string) => {
    for (let tried = 1; tried <= TRIES && !signal.aborted; tried += 1) {
      const status = await deliver(url, body, sign(settings, secrets, body), signal);
      const at = new Date().toISOString();
      ledger.write({ kind: 'webhook', webhook: { id, about, status, at } });
      if (status >= 200 && status < 300) return;
      await sleep(RETRY_MS * tried, undefined, { signal }).catch(() => undefined);
    }
  };
  const latest = new Map<string, () => Promise<void>>();
  const prepare = (url: string, type: string, data: { readonly id: string }) => {
    const { id, body } = makeBody(type, data);
    const deliver = () => post(url, body, id, data.id);
    latest.set(data.id, deliver);
    return deliver;
  };
  const makeBody = (type: string, data: { readonly id: string }) => {
    const id = `evt_${randomBytes(12).toString('hex')}`;
    return { id, body: JSON.stringify({ id, type, data }) };
  };
  const later = (ms: number, task: () => void) => {
    sleep(ms, undefined, { signal }).then(task, () => undefined);
  };
  return {
    send(url, type, data) {
      if (settings.webhook === 'never') return;
      const deliver = prepare(url, type, data);
      later(settings.webhook_delay_ms, () => {
        for (let sent = 0; sent < settings.duplicates; sent += 1) void deliver();
      });
    },
    async sendNow(url, type, data) {
      await prepare(url, type, data)();
    },
    redeliver(about) {
      const deliver = latest.get(about);
      void deliver?.();
      return deliver !== undefined;
    },
    later,
    close: () => closing.abort(),
  };
}

function sign(settings: Settings, secrets: readonly string[], body: string) {
  const seconds = Math.floor(Date.now() / 1000) - (settings.signature === 'old' ? OLD_SECONDS : 0);
  const used = settings.signature === 'forged' ? ['a secret that nobody knows'] : secrets;
  const signatures = used.map((secret) => {
    return `v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`;
  });
  return {
    'content-type': 'application/json',
    'cpay-timestamp': String(seconds),
    'cpay-signature': signatures.join(','),
  };
}

/** The receiver's status; 0 when there was none. */
async function deliver(
  url: string,
  body: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<number> {
  try {
    const answer = await request(url, { method: 'POST', headers, body, signal });
    await answer.body.dump();
    return answer.statusCode;
  } catch {
    return 0;
  }
}
