import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client, WorkflowClientInterceptor } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';

type Started = { readonly workflowId: string; readonly runId: string; readonly name: string };

/**
 * Writes the history of each workflow that the tests start, under the name of its test, into the
 * folder that MALIPO_RECORD_HISTORIES names; nothing where it is not set. What a release is to
 * replay is picked from there by hand and kept in test/replay/histories.
 */
export function createRecorder() {
  const folder = process.env.MALIPO_RECORD_HISTORIES;
  const started: Started[] = [];
  const note = (workflowId: string, runId: string) => {
    const name = nameOf(expect.getState().currentTestName ?? 'none');
    if (folder !== undefined) started.push({ workflowId, runId, name });
    return runId;
  };
  const interceptor: WorkflowClientInterceptor = {
    async start(input, next) {
      return note(input.options.workflowId, await next(input));
    },
    async signalWithStart(input, next) {
      return note(input.options.workflowId, await next(input));
    },
  };
  return {
    interceptor,
    /** To be called before the server ends. */
    async write(client: Client): Promise<void> {
      if (folder === undefined) return;
      mkdirSync(folder, { recursive: true });
      for (const [nth, { workflowId, runId, name }] of started.entries()) {
        const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
        // Which process on which machine it was, and where its files lie, is nobody's business.
        const text = historyToJSON(history)
          .replaceAll(/"\d+@[^"]*"/g, '"worker"')
          .replaceAll(/("stackTrace": *)"(?:[^"\\]|\\.)*"/g, '$1""');
        writeFileSync(join(folder, `${name}-${nth}.json`), `${text}\n`);
      }
    },
  };
}

function nameOf(test: string): string {
  return test
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 120);
}
