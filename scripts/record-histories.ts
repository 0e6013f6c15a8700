import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';

/**
 * `node scripts/record-histories.ts <version> <name>=<workflow id> …` keeps histories of the server
 * at TEMPORAL_ADDRESS under test/replay/histories; every later version must replay them.
 */
const [version, ...wanted] = process.argv.slice(2);
const address = process.env.TEMPORAL_ADDRESS ?? '127.0.0.1:7233';
const connection = await Connection.connect({ address });
const client = new Client({ connection });
const folder = fileURLToPath(new URL('../test/replay/histories/', import.meta.url));
mkdirSync(folder, { recursive: true });
for (const pair of wanted) {
  const [name = '', workflowId = ''] = pair.split('=');
  const history = await client.workflow.getHandle(workflowId).fetchHistory();
  // Which process on which machine it was is nobody's business.
  const text = historyToJSON(history).replaceAll(/"\d+@[^"]*"/g, '"worker"');
  writeFileSync(`${folder}${version}-${name}.json`, `${text}\n`);
}
await connection.close();
