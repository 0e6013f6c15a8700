import pg from 'pg';
import {
  BackendTerminatedError,
  BackendTerminatedUnexpectedlyError,
  ConnectionError,
  IdleTransactionTimeoutError,
  InvalidInputError,
  StatementTimeoutError,
} from 'slonik';

const AWAY_CLASSES = [
  ConnectionError,
  BackendTerminatedError,
  BackendTerminatedUnexpectedlyError,
  IdleTransactionTimeoutError,
  StatementTimeoutError,
] as const;

const READ_ONLY = '25006';
/**
 * PostgreSQL's codes for what mends by itself, or by an administrator while we wait: connections
 * (08), a server that takes no writes, as in each failover, deadlocks, resources (53: connections,
 * disk, memory), locks, canceled statements, a server that starts or stops, input and output (58).
 */
const AWAY_STATES = /^(08...|25006|40001|40P01|53...|55P03|57014|57P0[1235]|58...)$/;
/** What the row itself is refused for: the same row is refused again. */
const DATA_STATES = /^(22...|23...|54...)$/;
/** Of a connection's socket; those carry the system call that failed. */
const AWAY_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
]);
/** What pg says without a class or code of its own. */
const AWAY_MESSAGES = new Set([
  'Client has encountered a connection error and is not queryable',
  'Client was closed and is not queryable',
]);

/**
 * True when the same query may work in a while. Told by classes and codes: any text may hold the
 * word "timeout", and a fault of ours must not look as if somebody else were away.
 */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (AWAY_CLASSES.some((known) => error instanceof known)) return true;
  const state = sqlStateOf(error);
  if (state !== undefined) return AWAY_STATES.test(state);
  if (typeof error !== 'object' || error === null) return false;
  const isBroken = 'syscall' in error && 'code' in error && AWAY_CODES.has(String(error.code));
  return isBroken || ('message' in error && AWAY_MESSAGES.has(String(error.message)));
}

/** True while the database answers and takes no writes: a standby, or a primary that steps down. */
export function isReadOnly(error: unknown): boolean {
  return sqlStateOf(error) === READ_ONLY;
}

/** True when the row is what is wrong, so that waiting mends nothing. */
export function isDataFault(error: unknown): boolean {
  // Slonik keeps neither code nor cause of 22P02.
  return error instanceof InvalidInputError || DATA_STATES.test(sqlStateOf(error) ?? '');
}

/** PostgreSQL's own code, however often its error was wrapped on its way to us. */
export function sqlStateOf(error: unknown): string | undefined {
  if (error instanceof pg.DatabaseError) return error.code;
  return error instanceof Error ? sqlStateOf(error.cause) : undefined;
}
