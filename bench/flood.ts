import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { DOORS, mpesa } from './doors.ts';
import { fromFlooder, type Merchant, openReceiver, openSandbox, type Receiver } from './sandbox.ts';

/**
 * `npm run bench -- flood`: two merchants in a sandbox that runs. One floods Malipo by one
 * door after the other; the table says how long the other's requests take meanwhile, beside how
 * long they take when nobody floods. The ratio is the figure: the times are this machine's.
 */
const USAGE = `Usage: npm run bench -- flood [--seconds N] [--door NAME]...
Doors: ${Object.keys(DOORS).join(', ')}`;
const ROUND_MS = 500;
const LONGEST_MS = 60_000;
const CARD = {
  provider: 'stripe',
  amount: 5_000,
  currency: 'USD',
  payment_method: 'pm_card_visa',
  return_url: null,
};

type Probe = (merchant: Merchant) => Promise<boolean>;
type Times = Readonly<Record<string, readonly number[]>>;

/** What the other merchant does, and when it counts as done. */
function createProbes(receiver: Receiver, endpointId: string, path: string) {
  const probes: Readonly<Record<string, Probe>> = {
    'card paid': (merchant) => untilStatus(merchant, CARD, ['succeeded']),
    'prompt sent': (merchant) =>
      untilStatus(merchant, mpesa('78'), ['processing', 'requires_action', 'succeeded']),
    'webhook arrives': async (merchant) => {
      const arrival = receiver.next(path);
      const asked = await merchant.send('POST', `webhook-endpoints/${endpointId}/test`);
      if (asked.status !== 202) return false;
      await arrival;
      return true;
    },
    'list read': async (merchant) =>
      (await merchant.send('GET', 'payments?limit=10')).status === 200,
  };
  return probes;
}

async function untilStatus(merchant: Merchant, body: object, statuses: readonly string[]) {
  let { status, body: payment } = await merchant.send('POST', 'payments', body);
  if (status !== 201 && status !== 202) return false;
  while (!statuses.includes(String(payment.status))) {
    await sleep(25);
    ({ status, body: payment } = await merchant.send('GET', `payments/${payment.id}`));
    if (status !== 200) return false;
  }
  return true;
}

/** How long each probe took, round after round, for so long; what failed took the longest. */
async function measure(
  merchant: Merchant,
  probes: Readonly<Record<string, Probe>>,
  seconds: number,
): Promise<Times> {
  const endsAt = Date.now() + seconds * 1000;
  const times: Record<string, number[]> = {};
  while (Date.now() < endsAt) {
    const began = Date.now();
    await Promise.all(
      Object.entries(probes).map(async ([name, probe]) => {
        const isDone = await Promise.race([probe(merchant), sleep(LONGEST_MS, false)]);
        times[name] = [...(times[name] ?? []), isDone ? Date.now() - began : LONGEST_MS];
      }),
    );
    await sleep(Math.max(0, began + ROUND_MS - Date.now()));
  }
  return times;
}

function quantile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** Until a card is paid as quickly as without a flood, almost. */
async function settle(merchant: Merchant, probe: Probe, usualMs: number): Promise<number> {
  const began = Date.now();
  while (Date.now() - began < 180_000) {
    const tried = Date.now();
    if ((await probe(merchant)) && Date.now() - tried < usualMs * 3) break;
    await sleep(1_000);
  }
  return Math.round((Date.now() - began) / 1000);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '20' },
      door: { type: 'string', multiple: true, default: Object.keys(DOORS) },
    },
  });
  const sandbox = await openSandbox();
  const receiver = await openReceiver();
  const path = '/other';
  const other = await sandbox.createMerchant('The other merchant');
  const endpoint = await other.send('POST', 'webhook-endpoints', { url: `${receiver.url}${path}` });
  const probes = createProbes(receiver, String(endpoint.body.id), path);
  await measure(other, probes, 5);
  const usual = await measure(other, probes, Number(values.seconds));
  const card = probes['card paid'];
  if (card === undefined) throw new Error('no probe');
  console.log('| door | the other merchant | p95 without, ms | p95 with, ms | ratio | flooder |');
  console.log('|---|---|---|---|---|---|');
  for (const name of values.door) {
    const door = DOORS[name];
    if (door === undefined) throw new Error(USAGE);
    const flooder = await sandbox.createMerchant(`Floods by ${name}`, fromFlooder);
    const statuses = new Map<number, number>();
    const end = new AbortController();
    const flood = door({
      apiUrl: sandbox.apiUrl,
      flooder,
      receiver,
      count: (status) => void statuses.set(status, (statuses.get(status) ?? 0) + 1),
      signal: end.signal,
    });
    await sleep(2_000);
    const times = await measure(other, probes, Number(values.seconds));
    end.abort();
    await flood;
    const answers = [...statuses]
      .sort(([a], [b]) => a - b)
      .map(([s, n]) => `${s || 'none'} × ${n}`);
    for (const probe of Object.keys(probes)) {
      const before = quantile(usual[probe] ?? [], 0.95);
      const after = quantile(times[probe] ?? [], 0.95);
      const ratio = (after / before).toFixed(1);
      console.log(
        `| ${name} | ${probe} | ${before} | ${after} | ${ratio} | ${answers.join(', ')} |`,
      );
    }
    const calm = await settle(other, card, quantile(usual['card paid'] ?? [], 0.95));
    console.log(`| ${name} | usual again after ${calm} s | | | | |`);
  }
  await receiver.close();
}

await main();
