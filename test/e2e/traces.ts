import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Stack } from './stack.ts';

/** Names of secrets, and what must stand nowhere. */
export type Secrets = Readonly<Record<string, string>>;

/** As it is, in base64 at each of the three offsets, and URL-encoded. */
function spellings(secret: string): readonly string[] {
  const base64 = [0, 1, 2].map((offset) => {
    const text = Buffer.from(`${'x'.repeat(offset)}${secret}`).toString('base64');
    return text.slice(offset === 0 ? 0 : 4, -4);
  });
  const unpadded = base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'));
  return [...new Set([secret, encodeURIComponent(secret), ...base64, ...unpadded])];
}

/** The names of those that stand in a text, however they are spelled. */
export function findTraces(secrets: Secrets, text: string): readonly string[] {
  return Object.entries(secrets)
    .filter(([, secret]) => spellings(secret).some((spelling) => text.includes(spelling)))
    .map(([name]) => name);
}

/** A Kenyan phone as people, providers and databases write it. */
export function spellPhone(name: string, phone: string): Secrets {
  const national = phone.slice(3);
  return { [name]: phone, [`${name}, with 0`]: `0${national}`, [`${name}, nine digits`]: national };
}

/** A key of 32 bytes as the environment holds it, and as other programs would print it. */
export function spellKey(name: string, base64: string): Secrets {
  const bytes = Buffer.from(base64, 'base64');
  return {
    [name]: base64.replace(/=+$/, ''),
    [`${name}, for URLs`]: bytes.toString('base64url'),
    [`${name}, in hex`]: bytes.toString('hex'),
    [`${name}, its bytes`]: bytes.toString('latin1'),
  };
}

export function readLogs(stack: Stack): ReadonlyMap<string, string> {
  const { logs_dir } = stack.world.details();
  const names = readdirSync(logs_dir);
  return new Map(names.map((name) => [name, readFileSync(join(logs_dir, name), 'utf8')]));
}

/** Every row of every table, by table; bytes are there as hex and as what they spell. */
export async function dumpDatabase(stack: Stack): Promise<ReadonlyMap<string, string>> {
  const tables = await stack.db.query<{ name: string }>(
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
  );
  const dumps = tables.rows.map(async ({ name }) => {
    const { rows } = await stack.db.query<{ row: string }>(`SELECT t::text AS row FROM ${name} t`);
    const text = rows.map(({ row }) => row).join('\n');
    const bytes = [...text.matchAll(/\\x([0-9a-f]+)/g)].map(([, hex = '']) => readHex(hex));
    const words = text.replaceAll(/\\x[0-9a-f]+/g, '');
    return [name, [words, ...bytes].join('\n')] as const;
  });
  return new Map(await Promise.all(dumps));
}

function readHex(hex: string): string {
  return Buffer.from(hex, 'hex').toString('latin1');
}

/** Every history; a payload's bytes are shown in base64, and what is in them is read as text. */
export async function readHistories(stack: Stack): Promise<ReadonlyMap<string, string>> {
  const histories = new Map<string, string>();
  for await (const { workflowId, runId } of stack.temporal.workflow.list()) {
    const history = await stack.temporal.workflow.getHandle(workflowId, runId).fetchHistory();
    const payloads: string[] = [];
    const text = JSON.stringify(history, (key, value: unknown) => {
      if (key === 'nanos') return 0;
      if (key !== 'data' || typeof value !== 'string') return value;
      payloads.push(Buffer.from(value, 'base64').toString());
      return null;
    });
    histories.set(`${workflowId} ${runId}`, [text, ...payloads].join('\n'));
  }
  return histories;
}

type Entry = {
  readonly kind: string;
  readonly token?: string;
  readonly prompt?: { readonly checkout_request_id: string; readonly callback_url: string };
  readonly reversal?: {
    readonly result_url: string;
    readonly timeout_url: string;
    readonly security_credential: string;
  };
};

/** What passed between Malipo and Daraja and is good for more than one call. */
export function readDaraja(stack: Stack): Secrets {
  const lines = readFileSync(join(stack.folder, 'simulators', 'mpesa.jsonl'), 'utf8').split('\n');
  const entries = lines.filter((line) => line !== '').map((line): Entry => JSON.parse(line));
  const named = entries.flatMap(({ token, prompt, reversal }): [string, string | undefined][] => [
    ['a bearer token of Daraja', token],
    ['an id of Daraja', prompt?.checkout_request_id],
    ['a callback’s token', tokenOf(prompt?.callback_url)],
    ['a result’s token', tokenOf(reversal?.result_url)],
    ['a timeout’s token', tokenOf(reversal?.timeout_url)],
    ['a SecurityCredential', reversal?.security_credential],
  ]);
  const found = named.flatMap(([name, secret], index) =>
    secret === undefined ? [] : [[`${name} (${index})`, secret]],
  );
  return Object.fromEntries(found);
}

function tokenOf(url: string | undefined): string | undefined {
  return url?.split('/').at(-1);
}
