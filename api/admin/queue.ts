import type { z } from 'zod';
import type { QueueFilter } from '../../db/review-queue.ts';
import type { IdKind } from '../../domain/id.ts';
import { findPage } from '../response.ts';
import { pageQuery, text } from '../schema.ts';

/** How a queue is asked for. @param reviewReason as the shape of what is queued has it. */
export function queueQuery<T extends z.ZodType<string>>(reviewReason: z.ZodNullable<T>) {
  return pageQuery.extend({
    review_reason: reviewReason.unwrap().optional(),
    merchant_id: text(100).optional(),
  });
}

/** One page of what waits for a decision. @throws ApiError invalid_request */
export async function presentQueue<T extends { readonly id: string }, P>(
  kind: IdKind,
  query: {
    readonly limit: number;
    readonly cursor?: string | undefined;
    readonly merchant_id?: string | undefined;
    readonly review_reason?: string | undefined;
  },
  queue: {
    readonly list: (filter: QueueFilter) => Promise<readonly T[]>;
    readonly present: (item: T) => P;
  },
) {
  const filter = {
    merchantId: query.merchant_id ?? null,
    reviewReason: query.review_reason ?? null,
  };
  return findPage(
    kind,
    query,
    (limit, afterId) => queue.list({ ...filter, afterId, limit }),
    queue.present,
  );
}
