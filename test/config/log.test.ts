import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');

/** What a process prints that logs by this script; the log goes to standard output and no other. */
function printOf(script: string): Record<string, unknown>[] {
  const imported = `import { createLog } from './config/log.ts'; const log = createLog('api', 'info');`;
  const printed = execFileSync(
    process.execPath,
    ['--input-type=module', '--eval', `${imported} ${script}`],
    { cwd: ROOT, encoding: 'utf8', env: {} },
  );
  return printed
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('a line is JSON with the service, the level’s name and a time people can read', () => {
  const [line, ...others] = printOf(
    `log.debug('not shown'); log.info({ payment: 'pay_1' }, 'hi');`,
  );
  expect(others).toEqual([]);
  expect(line).toMatchObject({ service: 'api', level: 'info', payment: 'pay_1', msg: 'hi' });
  expect(line?.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

test('no secret and no personal data reaches a line, by whatever name it is logged', () => {
  const secrets = `{ authorization: 's3cret', phone: 's3cret', email: 's3cret', name: 's3cret',
    token: 's3cret', body: 's3cret', api_key: 's3cret', passkey: 's3cret', password: 's3cret',
    secret: 's3cret', credentials: { key: 's3cret' }, refresh_token: 's3cret',
    access_token: 's3cret', secret_key: 's3cret', webhook_secrets: 's3cret', cookie: 's3cret' }`;
  const lines = printOf(`
    const secrets = ${secrets};
    log.info(secrets);
    log.info({ customer: secrets });
    log.info({ headers: secrets });
    log.info({ request: { headers: secrets } });
    const fields = { query: secrets, ...secrets, name: 'E' };
    log.error({ err: Object.assign(new Error('no answer'), fields) });
    log.error({ err: 's3cret' });`);
  expect(lines).toHaveLength(6);
  expect(JSON.stringify(lines)).not.toContain('s3cret');
  expect(lines[0]).toMatchObject({ phone: '[redacted]', passkey: '[redacted]' });
});

test('an error is told with its message and where it comes from', () => {
  const [line] = printOf(`log.error({ err: new TypeError('no answer') });`);
  expect(line?.err).toMatchObject({ type: 'TypeError', message: 'no answer' });
  expect(JSON.stringify(line?.err)).toContain('    at ');
});
