import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROVIDER_NAMES, PROVIDERS } from '../providers/index.ts';
import { isRefusedWord } from '../test/house/words.ts';

const NAME = /^[a-z][a-z0-9]{1,19}$/;
/** Words of the language, and what MALIPO_<NAME>_… means already. */
const TAKEN_WORDS = new Set(
  (
    'api public temporal data hash token log policies environment oidc cors trusted home live ' +
    'test simulator cache metrics index contract listen worker migrate allow callback ' +
    'break case catch class const continue debugger default delete do else ' +
    'enum export extends false finally for function if implements import in instanceof interface ' +
    'let new null package private protected return static super switch this throw true try typeof ' +
    'var void while with yield await async of any string number boolean object symbol never'
  ).split(' '),
);
/** Where a provider's name stands among other names; one of those would be bound twice. */
const BINDING = ['providers/cpay/index.ts', 'test/providers/cpay.test.ts', 'providers/index.ts'];

/** Why a new provider cannot have this name; null when it can. */
export function findNameFault(root: string, name: string): string | null {
  if (!NAME.test(name)) return 'a name takes 2 to 20 of a–z and 0–9, and begins with a letter';
  if (PROVIDER_NAMES.some((it) => it === name)) return 'this provider is there';
  for (const { webhook, refundWebhooks } of Object.values(PROVIDERS)) {
    const channels = [webhook, ...refundWebhooks].map(({ channel }) => channel);
    if (channels.includes(name)) return 'a channel of callbacks has this name';
  }
  const isBound = BINDING.some((path) => {
    return readFileSync(join(root, path), 'utf8').match(/\w+/g)?.includes(name);
  });
  if (!isBound && !TAKEN_WORDS.has(name) && !isRefusedWord(name)) return null;
  return 'this word has another meaning here; take the company’s name';
}
