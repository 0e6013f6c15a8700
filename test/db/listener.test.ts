import { type Listener, notify, openListener } from '../../db/listener.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { until } from '../until.ts';
import { openPooler } from './pooler.ts';

let database: TestDatabase;
let listener: Listener | null = null;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterEach(async () => {
  await listener?.close();
  listener = null;
});
afterAll(() => database.close());

function listen(databaseUrl: string, sendOn: string) {
  const heard: boolean[] = [];
  let woken = 0;
  listener = openListener({
    databaseUrl,
    channel: 'malipo_event',
    onNotification: () => {
      woken += 1;
    },
    notify: () => notify(database.pool, sendOn),
    onHearing: (isHearing) => heard.push(isHearing),
    hearWithinMs: 50,
  });
  return { heard, countWoken: () => woken };
}

test('a connection that hears what is sent by another says so once', async () => {
  const { heard, countWoken } = listen(database.appUrl, 'malipo_event');
  await until(() => heard.length > 0);
  const before = countWoken();
  await notify(database.pool, 'malipo_event');
  await until(() => countWoken() > before);
  expect(heard).toEqual([true]);
});

test('one to which notifications do not come, as through a pooler, is told of', async () => {
  const { heard } = listen(database.appUrl, 'malipo_channel_of_nobody');
  await until(() => heard.length > 0);
  expect(heard).toEqual([false]);
  // What comes after all is heard.
  await notify(database.pool, 'malipo_event');
  await until(() => heard.length > 1);
  expect(heard).toEqual([false, true]);
});

test('it does not listen as the owner', async () => {
  const pooler = await openPooler(database.adminUrl, 'drops');
  const { heard, countWoken } = listen(pooler.url, 'malipo_event');
  await until(() => pooler.countConnections() > 1);
  expect([heard, countWoken()]).toEqual([[], 0]);
  await pooler.close();
});
