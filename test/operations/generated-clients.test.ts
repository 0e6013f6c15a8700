import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { openStack, type Stack } from '../e2e/stack.ts';

/**
 * Clients as merchants generate them from the served document, with no option and no line mended:
 * each pays, lists, refunds, reads a timeline and understands a refusal.
 */
const JAR = process.env.MALIPO_OPENAPI_GENERATOR_JAR ?? '';
const ROOT = join(import.meta.dirname, '..', '..');
const MODULES = join(ROOT, 'node_modules');
const call = promisify(execFile);

type Language = {
  readonly generator: string;
  /** Where the generated client goes. */
  readonly output: string;
  readonly walk: readonly [from: string, to: string];
  readonly commands: readonly (readonly [program: string, ...args: string[]])[];
};
const TSC = ['--strict', '--target', 'es2022', '--lib', 'es2022,dom', '--outDir', 'out'];
const AS_COMMON_JS = ['--module', 'commonjs', '--moduleResolution', 'bundler'];
const NODE_TYPES = ['--typeRoots', join(MODULES, '@types'), '--types', 'node'];
const MAVEN = ['-q', '-B', '-DskipTests', 'compile', 'dependency:copy-dependencies'];
const LANGUAGES: Readonly<Record<string, Language>> = {
  // table
  Python: {
    generator: 'python',
    output: '.',
    walk: ['walk.py', 'walk.py'],
    commands: [
      ['python3', '-m', 'venv', 'env'],
      ['env/bin/pip', 'install', '-q', '.'],
      ['env/bin/python', 'walk.py'],
    ],
  },
  Go: {
    generator: 'go',
    output: '.',
    walk: ['walk.go', 'walk/main.go'],
    commands: [
      ['go', 'vet', '.'],
      ['go', 'run', './walk'],
    ],
  },
  Java: {
    generator: 'java',
    output: '.',
    walk: ['walk.java', 'src/main/java/Walk.java'],
    commands: [
      ['mvn', ...MAVEN, '-DoutputDirectory=target/lib', '-DincludeScope=runtime'],
      ['java', '-cp', 'target/classes:target/lib/*', 'Walk'],
    ],
  },
  TypeScript: {
    generator: 'typescript-fetch',
    output: 'client',
    walk: ['walk.mts', 'walk.ts'],
    commands: [
      [join(MODULES, '.bin', 'tsc'), ...TSC, ...AS_COMMON_JS, ...NODE_TYPES, 'walk.ts'],
      [process.execPath, 'out/walk.js'],
    ],
  },
};

/** What each of them prints, in whatever way it writes `true`. */
const WALK = `payment succeeded kes 100.00 17
list list true
refund succeeded kes 40.00 true
timeline 1 payment.created false
refused 422 refund_too_much
`;

// reason: it takes minutes, and tools of four languages; docs/quickstarts/README.md has the command
(JAR === '' ? describe.skip : describe)('a client by openapi-generator', () => {
  let stack: Stack;
  let folder: string;
  beforeAll(async () => {
    stack = await openStack();
    folder = mkdtempSync(join(tmpdir(), 'malipo-clients-'));
    const document = await fetch(`${stack.world.apiUrls[0]}/openapi.json`);
    writeFileSync(join(folder, 'openapi.json'), await document.text());
  }, 150_000);
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await stack?.close();
  }, 60_000);

  test.each(Object.entries(LANGUAGES))(
    'in %s pays and refunds unmended',
    async (name, it) => {
      const cwd = join(folder, name);
      mkdirSync(cwd);
      const env = {
        ...process.env,
        MALIPO_URL: stack.world.apiUrls[0] ?? '',
        MALIPO_KEY: stack.world.details().api_key,
        MALIPO_PHONE: stack.phone(),
      };
      const options = { cwd, env, maxBuffer: 64 * 1024 * 1024 };
      const generate = ['generate', '-g', it.generator, '-i', '../openapi.json', '-o', it.output];
      await call('java', ['-jar', JAR, ...generate], options);
      const [from, to] = it.walk;
      mkdirSync(dirname(join(cwd, to)), { recursive: true });
      copyFileSync(join(import.meta.dirname, 'clients', from), join(cwd, to));
      const outputs: string[] = [];
      for (const [program, ...args] of it.commands) {
        const { stdout } = await call(program, args, options);
        outputs.push(stdout);
      }
      expect(outputs.at(-1)?.toLowerCase()).toBe(WALK);
    },
    600_000,
  );
});
