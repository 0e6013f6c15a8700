import type { Vault } from '../../db/vault.ts';

/** What makes two requests the same: a keyed hash of their one form, 64 hex digits. */
export function fingerprintOf(vault: Vault, request: unknown): string {
  return vault.hash('fingerprint', canonicalJson(request)).toString('hex');
}

/** JSON with sorted keys, so that the same request has one form. */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value)
    .filter(([, part]) => part !== undefined && part !== null)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, part]) => `${JSON.stringify(key)}:${canonicalJson(part)}`);
  return `{${entries.join(',')}}`;
}
