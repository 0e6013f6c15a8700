import type { Fault } from './finding.ts';
import { isForeignText, matchLines, type ReadFile, type Rule } from './rule.ts';

type WordRow = {
  readonly words: readonly string[];
  readonly say: string;
  readonly excused: RegExp | null;
  readonly excusedFiles: RegExp | null;
};

// Words of others are excused where they are quoted: HTTP's status names, Temporal's settings,
// error classes and status names, and what a provider sends on its wire.
// biome-ignore format: table, one row per line
export const wordTable: readonly WordRow[] = [
  { words: ['gateway', 'gateways'], say: 'provider', excused: /bad[ _-]?gateway|gateway[ _-]?time-?out/gi, excusedFiles: null },
  { words: ['connector', 'connectors'], say: 'provider', excused: null, excusedFiles: null },
  { words: ['psp', 'psps'], say: 'provider', excused: null, excusedFiles: null },
  { words: ['processor', 'processors'], say: 'provider', excused: /\bhistory\.\w+/g, excusedFiles: null },
  { words: ['tenant', 'tenants'], say: 'merchant', excused: null, excusedFiles: null },
  { words: ['cancelled', 'cancelling'], say: 'canceled, with one l', excused: /\b\w*Cancelled(Failure|Error)\b|'CANCELLED'/g, excusedFiles: /^providers\/mpesa\// },
  { words: ['fake', 'fakes', 'faked', 'stub', 'stubs', 'stubbed', 'mock', 'mocks', 'mocked'], say: 'simulator', excused: /mock provider/gi, excusedFiles: null },
  { words: ['surplus'], say: 'unmatched receipt', excused: null, excusedFiles: null },
  { words: ['desk', 'lobby', 'hall'], say: 'inbox, or connections', excused: null, excusedFiles: null },
  { words: ['entrance', 'ticket', 'tickets'], say: 'authenticate, or subscription', excused: null, excusedFiles: null },
  { words: ['book', 'books'], say: 'ledger, or database', excused: /runbook|bookworm/gi, excusedFiles: null },
  { words: ['wish', 'wishes', 'wished'], say: 'command', excused: null, excusedFiles: null },
  { words: ['verdict', 'verdicts'], say: 'outcome, or report', excused: null, excusedFiles: null },
  { words: ['reseal', 'resealed'], say: 're-encrypt', excused: null, excusedFiles: null },
  { words: ['rescued', 'rescue'], say: 'resolved by polling', excused: null, excusedFiles: null },
];

const wordRooms =
  /^(domain|config|workflows|temporal|activities|providers|db|api|worker|client|sandbox|scripts|bench)\//;

/** True for a word that another of ours stands for. */
export function isRefusedWord(word: string): boolean {
  return wordTable.some(({ words }) => words.includes(word));
}

/** The words of a line in lower case; camelCase, snake_case and acronyms are taken apart. */
function splitWords(text: string): ReadonlySet<string> {
  const words = text.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+/g) ?? [];
  return new Set(words.map((word) => word.toLowerCase()));
}

function findWords(file: ReadFile): readonly Fault[] {
  if (!wordRooms.test(file.path) || isForeignText(file.path)) return [];
  const rows = wordTable.filter(({ excusedFiles }) => !excusedFiles?.test(file.path));
  // A file's own name is read as if it stood above its first line.
  return [file.path, ...file.lines].flatMap((text, index) =>
    rows.flatMap(({ words, say, excused }) => {
      const spoken = splitWords(excused === null ? text : text.replace(excused, ''));
      const word = words.find((candidate) => spoken.has(candidate));
      if (word === undefined) return [];
      return [{ line: Math.max(1, index), what: `"${word}" is not our word, say ${say}` }];
    }),
  );
}

// Spelled in pieces, so that this file does not refuse itself.
const markers = new RegExp(
  `\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|')})\\b`,
);

function findMarkers(file: ReadFile): readonly Fault[] {
  if (isForeignText(file.path)) return [];
  return matchLines(file.lines, markers, (match) => `unfinished work is marked ${match}`);
}

const folders = ['ho' + 'me', 'Us' + 'ers', 'ro' + 'ot', 'wo' + 'rk'].join('|');
const hosts = [
  'registry\\.' + 'npmjs',
  'registry\\.' + 'yarnpkg',
  'npm' + 'mirror',
  'arti' + 'factory',
];
const machinePaths = new RegExp(`(?<![\\w.\\-])/(${folders})/[\\w.-]+|[A-Z]:\\\\+Users\\\\`);
const packageHosts = new RegExp(`${hosts.join('|')}|"resolved": *"https?:`, 'i');

function findMachineTraces(file: ReadFile): readonly Fault[] {
  return [
    ...matchLines(file.lines, machinePaths, (match) => `"${match}" is a path of one machine`),
    ...matchLines(file.lines, packageHosts, (match) => `"${match}" names a package host`),
  ];
}

/** Rules on words in code and prose. */
export const wordRules: readonly Rule[] = [
  {
    name: 'words',
    remedy: 'use the one name of the concept (STYLE.md lists them)',
    find: findWords,
  },
  {
    name: 'markers',
    remedy: 'finish it now, or write it down as an issue and take the marker out',
    find: findMarkers,
  },
  {
    name: 'machine',
    remedy:
      'write a path from the repository root, and leave package hosts to each user’s settings',
    find: findMachineTraces,
  },
];
