import { z } from 'zod';
import { newId } from '../../db/ids.ts';
import { CONTROL_ACTIONS } from '../../domain/control.ts';
import type { Batch } from '../../temporal/batches.ts';
import { ApiError } from '../errors.ts';
import { declare, type Operation } from '../operation.ts';
import { requireProvider } from '../require-provider.ts';
import { idOf, objectOf } from '../response.ts';
import { text } from '../schema.ts';

const tag = 'Operators';
const batchResponse = z
  .strictObject({
    id: idOf('batch'),
    object: objectOf('batch'),
    status: z.enum(['running', 'completed', 'failed']).describe('How far it is'),
    payments: z
      .int()
      .meta({ description: 'How many it is for, as far as Temporal knows by now', example: 42 }),
    done: z.int().meta({ description: 'How many payments were told', example: 17 }),
    failed: z.int().describe('How many payments could not be told'),
  })
  .meta({ id: 'Batch' });

/** Acts on all open payments of a provider at once, by Temporal's batches. */
export const batchOperations: readonly Operation[] = [
  declare({
    id: 'adminStartBatch',
    method: 'post',
    path: '/api/v1/admin/providers/{provider}/batches',
    tag,
    summary: 'Look up, pause or resume all open payments of a provider',
    description:
      'A paused payment is not sent and not captured, and its provider is not asked, not even by a look-up; callbacks, cancels and decisions still count. New payments are not paused: switch the provider off for those. One batch runs at a time, unless Temporal is told otherwise. Each payment’s timeline says who asked.',
    access: { kind: 'operator', role: 'operator' },
    body: z
      .strictObject({
        action: z
          .enum(CONTROL_ACTIONS)
          .describe('`look_up`: ask the provider now. `pause`, `resume`: see above'),
        reason: text(200).meta({ description: 'Kept in every payment’s trail' }),
      })
      .meta({ example: { action: 'look_up', reason: 'the provider is back' } }),
    answers: { 202: { description: 'It has begun', schema: batchResponse } },
    async handle({ engine }, { param, body, caller }) {
      const provider = requireProvider(param('provider'));
      const id = newId('batch');
      const control = { ...body, by: caller.operatorId };
      const isAnswered = await engine.startBatch(id, provider.name, control);
      const batch = await engine.findBatch(id);
      if (batch !== null && batch !== 'unknown') {
        return { status: 202, body: presentBatch(id, batch) };
      }
      if (isAnswered) return { status: 202, body: presentBatch(id, STARTED) };
      throw unsure(id, batch === null ? 'Temporal does not answer' : NOT_TAKEN);
    },
  }),
  declare({
    id: 'adminGetBatch',
    method: 'get',
    path: '/api/v1/admin/batches/{id}',
    tag,
    summary: 'See how far a batch is',
    access: { kind: 'operator', role: 'viewer' },
    answers: { 200: { description: 'The batch', schema: batchResponse } },
    async handle({ engine }, { param }) {
      const batch = await engine.findBatch(param('id'));
      if (batch === 'unknown') throw new ApiError('not_found', 'no batch has this id');
      if (batch === null) throw away('Temporal does not answer; try again');
      return { status: 200, body: presentBatch(param('id'), batch) };
    },
  }),
];

const STARTED: Batch = { status: 'running', payments: 0, done: 0, failed: 0 };

// By its default, Temporal runs one at a time for each namespace.
const NOT_TAKEN =
  'Temporal did not take it in time, and has none by its id: another batch may be running, and there is one at a time';

/** What was not answered in time may still be on its way, also where nobody finds it yet. */
function unsure(id: string, why: string): ApiError {
  return away(
    `${why}; whether it began is unknown: see GET /api/v1/admin/batches/${id} before you begin another`,
  );
}

function away(detail: string): ApiError {
  return new ApiError('temporarily_unavailable', detail);
}

function presentBatch(id: string, batch: Batch): z.input<typeof batchResponse> {
  return { id, object: 'batch', ...batch };
}
