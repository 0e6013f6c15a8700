import { type DestinationStream, pino } from 'pino';

export type Log = pino.Logger;

/** Names under which a secret or personal data could reach a log line. */
const REDACTED = [
  'authorization',
  'cookie',
  'password',
  'secret',
  'credentials',
  'token',
  'access_token',
  'refresh_token',
  'api_key',
  'secret_key',
  'webhook_secrets',
  'passkey',
  'phone',
  'email',
  'name',
  'body',
];
/** How deep they are looked for. */
const PLACES = ['', '*.', '*.*.'];

/**
 * One JSON object a line on standard output, or at the destination. Callers name what they log
 * field by field; known names of secrets are cut out all the same.
 */
export function createLog(service: string, level: string, destination?: DestinationStream): Log {
  const options = {
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: {
      paths: REDACTED.flatMap((name) => PLACES.map((place) => `${place}${name}`)),
      censor: '[redacted]',
    },
    serializers: { err: describeError },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** An error without its fields: libraries hang queries and requests on them. */
function describeError(error: unknown): { type: string; message: string; stack?: string } {
  if (!(error instanceof Error)) return { type: typeof error, message: 'not an Error' };
  const described = { type: error.name, message: error.message };
  return error.stack === undefined ? described : { ...described, stack: error.stack };
}
