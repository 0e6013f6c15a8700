import { createLog } from '../../config/log.ts';
import { createOutageLog } from '../../config/outage-log.ts';

/** Whoever reads the log after a night without Temporal finds what else happened. */
function openOutage() {
  const lines: string[] = [];
  const log = createLog('worker', 'info', { write: (line) => lines.push(line) });
  let nowMs = 0;
  const texts = { failing: 'it is unavailable', working: 'it works again' };
  const outage = createOutageLog(log, texts, () => nowMs);
  const pass = (ms: number) => {
    nowMs += ms;
  };
  return { outage, pass, read: () => lines.map((line) => JSON.parse(line)) };
}

test('17 minutes of tries, each 2 seconds, are one stack and seven short lines', () => {
  const { outage, pass, read } = openOutage();
  for (let tries = 0; tries < 510; tries += 1) {
    outage.failed(new Error('connection refused'));
    pass(2_000);
  }
  outage.worked();
  outage.worked();
  const lines = read();
  expect(lines.filter(({ err }) => err?.stack !== undefined)).toHaveLength(1);
  expect(lines.map(({ level, msg, seconds }) => [level, msg, seconds])).toEqual([
    ['error', 'it is unavailable', undefined],
    ...[10, 30, 70, 150, 310, 630].map((seconds) => ['warn', 'it is unavailable', seconds]),
    ['info', 'it works again', 1020],
  ]);
  expect(lines[1]).toMatchObject({ tries: 6, reason: 'Error: connection refused' });
});

test('another error is told with its stack too, and an outage after it anew', () => {
  const { outage, pass, read } = openOutage();
  for (const message of ['refused', 'wrong name', 'refused', 'wrong name']) {
    outage.failed(new Error(message));
    pass(1_000);
  }
  outage.worked();
  outage.failed(new Error('refused'));
  expect(read().map(({ err, msg }) => err?.message ?? msg)).toEqual([
    'refused',
    'wrong name',
    'it works again',
    'refused',
  ]);
});

test('errors that never repeat themselves do not fill the log', () => {
  const { outage, pass, read } = openOutage();
  for (let tries = 0; tries < 100; tries += 1) {
    outage.failed(new Error(`port ${tries}`));
    pass(100);
  }
  expect(read().filter(({ err }) => err !== undefined)).toHaveLength(5);
});
