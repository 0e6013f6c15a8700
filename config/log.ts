import { pino } from 'pino';

export type Log = pino.Logger;

/** Names under which a secret or personal data could reach a log line. */
const REDACTED = ['authorization', 'phone', 'email', 'name', 'token', 'body', 'api_key', 'passkey'];

/**
 * One JSON object a line on standard output. Callers name what they log field by field; known names
 * of secrets are cut out all the same.
 */
export function createLog(service: string, level: string): Log {
  return pino({
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: REDACTED.flatMap((name) => [name, `*.${name}`, `headers.${name}`]),
      censor: '[redacted]',
    },
    serializers: { err: describeError },
  });
}

/** An error without its fields: libraries hang queries and requests on them. */
function describeError(error: unknown): { type: string; message: string; stack?: string } {
  if (!(error instanceof Error)) return { type: typeof error, message: 'not an Error' };
  const described = { type: error.name, message: error.message };
  return error.stack === undefined ? described : { ...described, stack: error.stack };
}
