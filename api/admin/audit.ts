import { z } from 'zod';
import { type FoundAuditEntry, searchAudit } from '../../db/audit-search.ts';
import { ACTORS, AUDIT_ACTIONS } from '../../domain/payment-record.ts';
import { declare, type Operation } from '../operation.ts';
import { presentAuditEntry } from '../payments/present.ts';
import { auditEntryResponse } from '../payments/response.ts';
import { EXAMPLE_HASH, findPage, idOf, pageOf, stringOf } from '../response.ts';
import { moment, pageQuery, text } from '../schema.ts';
import { readWindow, WINDOW_RULE } from '../window.ts';
import { EXPORT_FORMATS, exportAnswer, exportRows } from './export.ts';

const tag = 'Operators';

const foundEntryResponse = auditEntryResponse
  .extend({
    payment_id: idOf('payment', 'The payment that it is about'),
    merchant_id: idOf('merchant', 'Whose payment it is'),
    hash: stringOf(
      'The next entry of the payment builds on it: kept elsewhere, it proves the trail',
      `${EXAMPLE_HASH}${EXAMPLE_HASH}`,
    ),
  })
  .meta({ id: 'FoundAuditEntry' });

const auditFilters = z.strictObject({
  merchant_id: text(100).optional(),
  payment_id: text(100).optional(),
  actor: z.enum(ACTORS).optional(),
  action: z.enum(AUDIT_ACTIONS).optional(),
  from: moment.optional(),
  before: moment.optional(),
});

const COLUMNS = [
  'at',
  'merchant_id',
  'payment_id',
  'sequence',
  'action',
  'from',
  'to',
  'actor',
  'cause',
  'details',
  'hash',
  'id',
] as const;

/** The audit trails of all payments together. */
export const auditOperations: readonly Operation[] = [
  declare({
    id: 'adminSearchAudit',
    method: 'get',
    path: '/api/v1/admin/audit',
    tag,
    summary: 'Search the audit entries of all payments, newest first',
    access: { kind: 'operator', role: 'viewer' },
    query: auditFilters.extend(pageQuery.shape),
    answers: { 200: { description: 'A page of entries', schema: pageOf(foundEntryResponse) } },
    async handle({ pool }, { query }) {
      const { from = null, before = null } = query;
      const filter = { ...readFilter(query), from, before };
      const list = (limit: number, afterId: string | null) =>
        searchAudit(pool, filter, { afterId, limit });
      return { status: 200, body: await findPage('audit', query, list, presentFound) };
    },
  }),
  declare({
    id: 'adminExportAudit',
    method: 'get',
    path: '/api/v1/admin/audit/export',
    tag,
    summary: 'Export audit entries as CSV or as lines of JSON',
    description: `With the filters of the search. ${WINDOW_RULE}`,
    access: { kind: 'operator', role: 'operator' },
    audited: true,
    query: auditFilters.extend({ format: z.enum(EXPORT_FORMATS).default('csv') }),
    answers: { 200: exportAnswer },
    async handle(deps, { query }) {
      const window = readWindow('from', { from: query.from, before: query.before });
      const filter = { ...readFilter(query), ...window };
      return await exportRows(deps, {
        name: `malipo-audit-${window.from.slice(0, 10)}-${window.before.slice(0, 10)}`,
        format: query.format,
        columns: COLUMNS,
        readPage: async (afterId, limit) =>
          (await searchAudit(deps.pool, filter, { afterId, limit })).map(presentFound),
      });
    },
  }),
];

function readFilter(query: z.output<typeof auditFilters>) {
  return {
    merchantId: query.merchant_id ?? null,
    paymentId: query.payment_id ?? null,
    actor: query.actor ?? null,
    action: query.action ?? null,
  };
}

function presentFound(entry: FoundAuditEntry): z.input<typeof foundEntryResponse> {
  const { payment_id, merchant_id, hash } = entry;
  return { ...presentAuditEntry(entry), payment_id, merchant_id, hash };
}
