import { type Client, type Connection, ScheduleNotFoundError } from '@temporalio/client';
import type { Warning } from '../config/warnings.ts';
import { refusalOf } from '../domain/server-refusal.ts';
import { SWEEP_SCHEDULE_ID } from '../workflows/messages.ts';
import { SEARCH_ATTRIBUTES } from './search-attributes.ts';

const REMEDY =
  'A running worker adds it within a minute; where it may not, its log names the command.';

/**
 * What the namespace lacks that payments need. The API only looks: the worker adds it.
 * @returns nothing where we may not look.
 * @throws where Temporal does not answer.
 */
export async function findNamespaceWarnings(
  client: Client,
  connection: Connection,
): Promise<readonly Warning[]> {
  const { namespace } = client.options;
  const found = await Promise.all([
    findAttributeWarnings(connection, namespace).catch(nothingIfRefused),
    findScheduleWarnings(client).catch(nothingIfRefused),
  ]);
  return found.flat();
}

function nothingIfRefused(error: unknown): readonly Warning[] {
  if (refusalOf(error) === null) throw error;
  return [];
}

async function findAttributeWarnings(
  { operatorService }: Connection,
  namespace: string,
): Promise<readonly Warning[]> {
  const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
  const missing = Object.keys(SEARCH_ATTRIBUTES).filter(
    (name) => customAttributes?.[name] === undefined,
  );
  if (missing.length === 0) return [];
  const detail = `The Temporal namespace ${namespace} lacks the search attributes ${missing.join(', ')}, so no payment starts. ${REMEDY}`;
  return [{ code: 'search_attributes_missing', detail }];
}

async function findScheduleWarnings({ schedule }: Client): Promise<readonly Warning[]> {
  try {
    const { state } = await schedule.getHandle(SWEEP_SCHEDULE_ID).describe();
    if (!state.paused) return [];
    const detail = `The schedule ${SWEEP_SCHEDULE_ID} is paused, so nothing picks up what a crash left. Unpause it.`;
    return [{ code: 'schedule_paused', detail }];
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
    const detail = `The schedule ${SWEEP_SCHEDULE_ID} is missing, so nothing picks up what a crash left. ${REMEDY}`;
    return [{ code: 'schedule_missing', detail }];
  }
}
