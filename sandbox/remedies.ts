/**
 * What mends a server of the sandbox that did not start, by what its log says. The first row that
 * fits counts. Only damaged data are a reason to forget them, so only there is `--reset` named.
 */
const REMEDIES = [
  {
    log: /no space left|disk (is )?full|ENOSPC|quota exceeded/i,
    remedy: 'make room on the disk and run again',
  },
  {
    log: /address already in use|EADDRINUSE|port \d+ is taken/i,
    remedy: 'end the program that listens there and run again',
  },
  {
    log: /permission denied|EACCES|could not access directory|read-only file system|EROFS/i,
    remedy: 'set MALIPO_HOME to a folder that everybody may enter and you may write to',
  },
  {
    log: /cannot allocate memory|out of memory|ENOMEM/i,
    remedy: 'end other programs to free memory, and run again',
  },
  {
    log: /incompatible with server|was initialized by PostgreSQL version/i,
    remedy:
      'its data are of another version: set MALIPO_HOME to another folder; or, which loses all ' +
      'sandbox data, `npm start -- --reset`',
  },
  {
    log: /not a database|malformed|corrupt|PANIC:|valid checkpoint|invalid page/i,
    remedy:
      'its data are damaged: set MALIPO_HOME to another folder; or, which loses all sandbox ' +
      'data, `npm start -- --reset`',
  },
] as const;

/**
 * @param text the reason and the end of the log.
 * @param harmless what may be tried without any loss; named first where the log tells nothing.
 */
export function findRemedy(text: string, harmless: string): string {
  const remedy = REMEDIES.find(({ log }) => log.test(text))?.remedy;
  return remedy === undefined ? harmless : `${remedy}; or ${harmless}`;
}
