import type { Worker } from '@temporalio/worker';

/** What of a worker is needed to run it beside others. */
export type Part = Pick<Worker, 'run' | 'shutdown' | 'getState'>;

/**
 * Runs workers and the dispatcher until all workers have ended, or one of them fails: then the
 * others end as well. A process with only some of its parts would look alive and do half its work.
 * @param dispatch ends when its signal is aborted.
 * @throws what the first that failed threw.
 */
export async function runTogether(
  workers: readonly Part[],
  dispatch: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const ending = new AbortController();
  const dispatching = dispatch(ending.signal);
  const running = workers.map((worker) => worker.run());
  try {
    const all = Promise.all(running);
    await Promise.race([all, dispatching.then(() => all)]);
  } finally {
    ending.abort();
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
    await Promise.allSettled([...running, dispatching]);
  }
}
