import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { loadWorkflowBundle } from '../../worker/bundle.ts';

const HISTORIES = fileURLToPath(new URL('./histories/', import.meta.url));
const names = readdirSync(HISTORIES);

/** A payment that is open during a deploy goes on with the new code, by the same steps. */
describe('histories of earlier versions replay on this code', () => {
  beforeAll(() => Runtime.install({ logger: new DefaultLogger('ERROR') }));

  it('is not empty', () => {
    expect(names.length).toBeGreaterThan(2);
  });

  it.each(names)('%s', async (name) => {
    const history = historyFromJSON(JSON.parse(readFileSync(`${HISTORIES}${name}`, 'utf8')));
    await Worker.runReplayHistory({ workflowBundle: await loadWorkflowBundle() }, history);
  });

  it('refuses a history that another code would have made', async () => {
    const [name = ''] = names;
    const text = readFileSync(`${HISTORIES}${name}`, 'utf8');
    const other = historyFromJSON(JSON.parse(text.replaceAll('"charge"', '"refund"')));
    await expect(
      Worker.runReplayHistory({ workflowBundle: await loadWorkflowBundle() }, other),
    ).rejects.toThrow();
  });
});
