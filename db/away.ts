import pg from 'pg';
import {
  BackendTerminatedError,
  BackendTerminatedUnexpectedlyError,
  ConnectionError,
  IdleTransactionTimeoutError,
  StatementTimeoutError,
} from 'slonik';

const AWAY_CLASSES = [
  ConnectionError,
  BackendTerminatedError,
  BackendTerminatedUnexpectedlyError,
  IdleTransactionTimeoutError,
  StatementTimeoutError,
] as const;

/** PostgreSQL's codes: connections (08), too many of them, and a server that starts or stops. */
const AWAY_STATES = /^(08...|53300|57P0[123])$/;
/** Of a connection's socket; those carry the system call that failed. */
const AWAY_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT']);
/** What pg says without a class or code of its own. */
const AWAY_MESSAGES = new Set([
  'Client has encountered a connection error and is not queryable',
  'Client was closed and is not queryable',
]);

/**
 * True when the same query may work in a while. Told by classes and codes: any text may hold the
 * word "timeout", and a fault of ours must not look as if somebody else were away.
 */
export function isDatabaseAway(error: unknown): boolean {
  if (AWAY_CLASSES.some((known) => error instanceof known)) return true;
  if (error instanceof pg.DatabaseError) return AWAY_STATES.test(error.code ?? '');
  if (typeof error !== 'object' || error === null) return false;
  const isBroken = 'syscall' in error && 'code' in error && AWAY_CODES.has(String(error.code));
  return isBroken || ('message' in error && AWAY_MESSAGES.has(String(error.message)));
}
