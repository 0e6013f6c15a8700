import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { NativeConnection, type NativeConnectionOptions } from '@temporalio/worker';
import type { OutageLog } from '../config/outage-log.ts';

const RETRY_MS = 2_000;

/**
 * Tries until Temporal is there.
 * @returns null when the signal came first.
 */
export async function connectTemporal(
  options: NativeConnectionOptions,
  outage: OutageLog,
  signal: AbortSignal,
): Promise<NativeConnection | null> {
  const told = once(signal, 'abort').then(() => null);
  while (!signal.aborted) {
    try {
      // A server that swallows what is sent to it must not hold up the end.
      const connection = await Promise.race([NativeConnection.connect(options), told]);
      if (connection !== null) outage.worked();
      return connection;
    } catch (error) {
      outage.failed(error);
    }
    await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
  return null;
}
