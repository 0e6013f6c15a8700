import { Connection } from '@temporalio/client';
import pg from 'pg';
import { channelArgsOf } from '../../config/temporal.ts';
import {
  curlOptions,
  dropPostgresVariables,
  reachLoopbackDirectly,
} from '../../sandbox/shell-settings.ts';
import { temporalAddress } from '../temporal.ts';

const before = { ...process.env };
afterEach(() => {
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  Object.assign(process.env, before);
});

const OURS = 'localhost,127.0.0.1,::1';

test.each([
  [{}, { no_proxy: OURS, NO_PROXY: OURS }],
  [{ no_proxy: '' }, { no_proxy: OURS }],
  [{ NO_PROXY: 'corp.test' }, { no_proxy: `corp.test,${OURS}`, NO_PROXY: `corp.test,${OURS}` }],
  // The lower-case one counts for most programs where both are set.
  [{ no_proxy: 'a.test', NO_PROXY: 'b.test' }, { NO_PROXY: `a.test,${OURS}` }],
  [{ no_proxy: 'localhost, 127.0.0.1' }, { no_proxy: 'localhost, 127.0.0.1,::1' }],
  [{ no_proxy: '*' }, { no_proxy: '*' }],
  [{ no_grpc_proxy: 'corp.test' }, { no_grpc_proxy: `corp.test,${OURS}` }],
])('the loopback address is excepted from the proxy of %j', (given, expected) => {
  const env: NodeJS.ProcessEnv = { http_proxy: 'http://proxy.corp.test', ...given };
  reachLoopbackDirectly(env);
  expect(env).toMatchObject({ http_proxy: 'http://proxy.corp.test', ...expected });
});

test.each([
  [{}, ''],
  // For http, curl reads the lower-case one only.
  [{ HTTP_PROXY: 'http://proxy.corp.test' }, ''],
  [{ http_proxy: 'http://proxy.corp.test' }, ' --noproxy 127.0.0.1'],
  [{ ALL_PROXY: 'http://proxy.corp.test' }, ' --noproxy 127.0.0.1'],
  [{ http_proxy: 'http://proxy.corp.test', NO_PROXY: 'a.test, 127.0.0.1' }, ''],
  [{ http_proxy: 'http://proxy.corp.test', no_proxy: '*' }, ''],
])('with %j the command to be pasted has %j', (env, options) => {
  expect(curlOptions(env)).toBe(options);
});

// Nobody listens there.
const DEAD = 'http://127.0.0.1:9';

test.each(['grpc_proxy', 'https_proxy', 'http_proxy'])(
  'a Temporal on this machine is reached past %s',
  async (name) => {
    for (const list of ['no_proxy', 'NO_PROXY', 'no_grpc_proxy']) delete process.env[list];
    process.env[name] = DEAD;
    const address = temporalAddress();
    const channelArgs = channelArgsOf(address);
    const connection = await Connection.connect({ address, channelArgs, connectTimeout: 20_000 });
    await connection.close();
  },
);

const LIBPQ = {
  PGHOST: '192.0.2.1',
  PGPORT: '9',
  PGUSER: 'somebody',
  PGDATABASE: 'elsewhere',
  PGPASSWORD: 'secret',
  PGPASSFILE: '/nowhere',
  PGSERVICE: 'elsewhere',
  PGSSLMODE: 'verify-full',
  PGSSLROOTCERT: '/nowhere',
  PGOPTIONS: '-c search_path=foo',
  PGAPPNAME: 'elsewhere',
  PGCLIENTENCODING: 'LATIN1',
  PGTZ: 'Asia/Kathmandu',
};

test('libpq’s variables go, and nothing else does', async () => {
  Object.assign(process.env, LIBPQ);
  const connect = async () => {
    const client = new pg.Client({ connectionString: process.env.MALIPO_TEST_DATABASE_URL });
    client.on('error', () => undefined);
    await client.connect();
    const { rows } = await client.query<{ path: string }>(
      "SELECT current_setting('search_path') AS path",
    );
    await client.end();
    return rows[0]?.path;
  };
  await expect(connect()).rejects.toThrow(/SSL|nowhere/);
  const path = process.env.PATH;
  dropPostgresVariables(process.env);
  expect(Object.keys(process.env).filter((name) => name in LIBPQ)).toEqual([]);
  expect(process.env.PATH).toBe(path);
  expect(await connect()).toBe('"$user", public');
});
