import { CancellationScope, condition, isCancellation } from '@temporalio/workflow';

/** Runs a task until it ends or news arrive; undefined when news came first. */
export async function raceNews<T>(
  hasNews: () => boolean,
  task: () => Promise<T>,
): Promise<T | undefined> {
  const scope = new CancellationScope();
  const running = scope.run(task).catch((error: unknown) => {
    if (isCancellation(error)) return undefined;
    throw error;
  });
  const winner = await Promise.race([running, condition(hasNews).then(() => undefined)]);
  if (hasNews()) scope.cancel();
  return winner;
}
