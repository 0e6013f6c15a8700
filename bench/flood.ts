import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { DOORS } from './doors.ts';
import { CARD_PAID, createProbes, type Probes } from './probes.ts';
import {
  fromFlooder,
  type Merchant,
  openReceiver,
  openSandbox,
  type Receiver,
  type Sandbox,
} from './sandbox.ts';

/**
 * `npm run bench -- flood`: two merchants in a sandbox that runs. One floods Malipo by one
 * door after the other; the table says how long the other's requests take meanwhile, beside how
 * long they take when nobody floods. The ratio is the figure: the times are this machine's.
 */
const USAGE = `Usage: npm run bench -- flood [--seconds N] [--door NAME]...
Doors: ${Object.keys(DOORS).join(', ')}`;
const ROUND_MS = 1_000;
const LONGEST_MS = 60_000;
const CALM_WITHIN_MS = 60_000;

type Times = Readonly<Record<string, readonly number[]>>;

/** How long each probe took, round after round, for so long; what failed took the longest. */
async function measure(probes: Probes, seconds: number): Promise<Times> {
  const endsAt = Date.now() + seconds * 1000;
  const times: Record<string, number[]> = {};
  while (Date.now() < endsAt) {
    const began = Date.now();
    await Promise.all(
      Object.entries(probes).map(async ([name, probe]) => {
        const isDone = await Promise.race([probe(), sleep(LONGEST_MS, false)]);
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

/** Until nothing of the flood waits, and a card was paid three times in a row almost as usually. */
async function settle(flooder: Merchant, probes: Probes, usualMs: number) {
  const began = Date.now();
  const probe = probes[CARD_PAID];
  let quick = 0;
  while (quick < 3 && Date.now() - began < CALM_WITHIN_MS) {
    const { body } = await flooder.send('GET', 'payments?status=created&limit=1');
    const isSent = body.data?.length === 0;
    const tried = Date.now();
    const isQuick = (await probe?.()) && Date.now() - tried < usualMs * 1.5;
    quick = isSent && isQuick ? quick + 1 : 0;
    await sleep(1_000);
  }
  return Math.round((Date.now() - began) / 1000);
}

type Flooding = {
  readonly sandbox: Sandbox;
  readonly receiver: Receiver;
  readonly probes: Probes;
  readonly usual: Times;
  readonly seconds: number;
};

/** The other merchant's rows while one merchant floods by this door. */
async function floodBy(
  name: string,
  { sandbox, receiver, probes, usual, seconds }: Flooding,
): Promise<readonly string[]> {
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
    many: 300,
  });
  await sleep(2_000);
  const times = await measure(probes, seconds);
  end.abort();
  await flood;
  const answers = [...statuses].sort(([a], [b]) => a - b).map(([s, n]) => `${s || 'none'} × ${n}`);
  const rows = Object.keys(probes).map((probe) => {
    const [p50, p50With, p95, p95With] = [0.5, 0.95].flatMap((share) => [
      quantile(usual[probe] ?? [], share),
      quantile(times[probe] ?? [], share),
    ]);
    const ratio = ((p95With ?? 0) / (p95 ?? 1)).toFixed(1);
    return `| ${[name, probe, p50, p50With, p95, p95With, ratio, answers.join(', ')].join(' | ')} |`;
  });
  const calm = await settle(flooder, probes, quantile(usual[CARD_PAID] ?? [], 0.95));
  return [...rows, `| ${name} | usual again after ${calm} s | | | | | | |`];
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '20' },
      door: { type: 'string', multiple: true, default: Object.keys(DOORS) },
    },
  });
  const seconds = Number(values.seconds);
  const sandbox = await openSandbox();
  const receiver = await openReceiver();
  const merchant = await sandbox.createMerchant('The other merchant');
  const probes = await createProbes(merchant, receiver, '/other');
  await measure(probes, 5);
  const usual = await measure(probes, seconds);
  console.log(
    '| door | the other merchant | p50 without, ms | with | p95 without, ms | with | ratio | flooder |',
  );
  console.log('|---|---|---|---|---|---|---|---|');
  for (const name of values.door) {
    const rows = await floodBy(name, { sandbox, receiver, probes, usual, seconds });
    for (const row of rows) console.log(row);
  }
  await receiver.close();
}

await main();
