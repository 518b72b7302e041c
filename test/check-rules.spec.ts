import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const root = process.cwd();
let folder: string;

/** Writes files into an empty repository of their own. */
function seed(files: Readonly<Record<string, string>>): void {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(join(folder, dirname(file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-rules-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('npm run check finds a name', () => {
  it('that two files export as a type, and accepts the same name where it is not exported', async () => {
    const path = '../tools/check-names.mjs';
    const { repeatedNames } = (await import(path)) as { repeatedNames: (folder: string) => string[] };
    seed({
      'apps/a/src/limit.ts': 'export class Limit {}\nexport class Window {}\nclass Local {}',
      'libs/b/src/limit.ts': 'export interface Limit {}\nexport class Local {}',
      'test/limit.ts': 'export const Window = 1;',
      'bench/limit.ts': '',
    });
    const files = ['apps/a/src/limit.ts', 'libs/b/src/limit.ts'];
    expect(repeatedNames(folder)).toEqual([`Limit is exported by ${files.join(' and ')}; rename one of them`]);
  });
});

describe('npm run check finds test support', () => {
  interface CheckDist {
    testSupport(files: readonly string[]): string[];
    copiedPaths(dockerfile: string): string[];
    sentFiles(dockerignore: string, files: readonly string[]): string[];
  }
  let check: CheckDist;
  beforeAll(async () => {
    const path = '../tools/check-dist.mjs';
    check = (await import(path)) as CheckDist;
  });

  const SUPPORT = [
    'apps/rate-limit/test/limit-store.fake.js',
    'libs/testing/src/kafka.js',
    'libs/http/src/server.spec.js',
    'apps/audit/src/trail/trail.int-spec.ts',
    'apps/audit/src/trail/trail.contract.ts',
    'tools/jest/start-servers.mjs',
  ];
  it.each(SUPPORT)('in the path %s', (file) => {
    expect(check.testSupport([file, 'apps/audit/src/trail/trail.store.js'])).toEqual([file]);
  });

  it('that the last stage of the Dockerfile would copy', () => {
    const dockerfile = readFileSync('Dockerfile', 'utf8');
    expect(check.copiedPaths(dockerfile)).toContain('dist');
    const seeded = dockerfile.replace('\nUSER ', '\nCOPY --from=build /app/libs/testing/ /app/test/ ./\nUSER ');
    expect(check.testSupport(check.copiedPaths(seeded))).toEqual(['libs/testing/', 'test/']);
    const fromContext = dockerfile.replace('\nUSER ', '\nCOPY test ./test\nUSER ');
    expect(() => check.copiedPaths(fromContext)).toThrow('only copy from the build stage');
  });

  it.each(['**/test', 'libs/testing', '**/*.int-spec.ts', 'tools/jest'])(
    'that docker would send to the build without the line %s of the .dockerignore',
    (line) => {
      const dockerignore = readFileSync('.dockerignore', 'utf8');
      const files = [
        ...['apps/audit/test/trail.ts', 'libs/testing/src/kafka.ts', 'apps/audit/src/trail/trail.int-spec.ts'],
        ...['tools/jest/start-servers.mjs', 'docs/limits.md', 'apps/audit/src/main.ts'],
      ];
      expect(check.sentFiles(dockerignore, files)).toEqual(['apps/audit/src/main.ts']);
      const seeded = dockerignore.replace(`\n${line}\n`, '\n');
      expect(check.testSupport(check.sentFiles(seeded, files))).toHaveLength(1);
    },
  );
});

describe('npm run check finds an import', () => {
  const APP = 'apps/limiter/src/limits';
  /** Rule, the file that breaks it, and what the file imports. */
  const VIOLATIONS: readonly (readonly [rule: string, file: string, imported: string])[] = [
    ['decisions-are-pure', `${APP}/a.decision.ts`, `./limits.ports.js`],
    ['decisions-take-types', `${APP}/b.decision.ts`, `../../../../libs/contracts/src/index.js`],
    ['ports-name-domain-types', `${APP}/c.ports.ts`, `./limits.store.js`],
    ['use-cases-know-ports', `${APP}/d.use-case.ts`, `./limits.store.js`],
    ['handlers-call-use-cases', `${APP}/e.handler.ts`, `./limits.store.js`],
    ['handlers-call-use-cases', `${APP}/f.controller.ts`, `./limits.store.js`],
    ['stores-are-wired', `${APP}/g.ts`, `./limits.store.js`],
    ['stores-stay-below', `${APP}/h.store.ts`, `./limits.use-case.js`],
    ['product-without-tests', `${APP}/i.ts`, `../../test/limits.fake.js`],
    ['apps-meet-on-the-bus', `${APP}/j.ts`, `../../../other/src/start.js`],
    ['all-in-one-only-starts', `apps/all-in-one/src/k.ts`, `../../limiter/src/limits/limits.use-case.js`],
    ['console-knows-the-api', 'apps/console/src/k.ts', '../../../libs/contracts/src/index.js'],
    ['doctor-knows-needs', `apps/cli/src/doctor/k.ts`, `../../../limiter/src/limits/limits.use-case.js`],
    [
      'replay-decides-as-verification',
      `apps/cli/src/attempts/replay/k.ts`,
      `../../../../limiter/src/limits/limits.use-case.js`,
    ],
    ['libs-never-see-apps', `libs/contracts/src/l.ts`, `../../../apps/other/src/start.js`],
    ['libs-through-their-index', `${APP}/m.ts`, `../../../../libs/contracts/src/topics.js`],
    ['kafkajs-in-one-folder', `${APP}/n.ts`, 'kafkajs'],
    ['typeorm-in-persistence', `${APP}/o.ts`, 'typeorm'],
    ['argon2-in-one-store', `${APP}/p.ts`, '@node-rs/argon2'],
    ['jose-in-sealing', `${APP}/q.ts`, 'jose'],
    ['no-cycles', `${APP}/r.ts`, './s.js'],
    ['opentelemetry-in-one-file', `${APP}/t.ts`, '@opentelemetry/api'],
    ['observability-is-independent', 'libs/observability/src/u.ts', '../../contracts/src/index.js'],
    ['counted-before-compared', 'apps/verification/src/v.ts', './attempts/counted-attempt.decision.js'],
    ['entities-without-connections', `${APP}/w.entity.ts`, 'pg'],
    ['no-orphans', `${APP}/x.ts`, ''],
  ];
  const PLAIN = `${APP}/plain.handler.ts`;
  let found: { rule: string; file: string }[];

  beforeAll(() => {
    rmSync(folder, { recursive: true, force: true });
    const targets = ['limits.ports', 'limits.store', 'limits.use-case'].map((name) => `${APP}/${name}.ts`);
    const others = [
      ...['apps/limiter/test/limits.fake.ts', 'apps/other/src/start.ts'],
      'apps/verification/src/attempts/counted-attempt.decision.ts',
    ];
    const contracts = ['libs/contracts/src/index.ts', 'libs/contracts/src/topics.ts'];
    seed(Object.fromEntries([...targets, ...others, ...contracts].map((file) => [file, 'export const value = 1;'])));
    seed(
      Object.fromEntries(
        VIOLATIONS.map(([, file, imported]) => [
          file,
          imported === '' ? 'export const all = 1;' : `import * as all from '${imported}';\nexport const b = all;`,
        ]),
      ),
    );
    seed({ [PLAIN]: `export * from './limits.use-case.js';`, [`${APP}/s.ts`]: `export * from './r.js';` });
    seed({ 'tsconfig.json': readFileSync(join(root, 'tsconfig.json'), 'utf8') });
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    const program = join(root, 'node_modules', 'dependency-cruiser', 'bin', 'dependency-cruise.mjs');
    const config = join(root, '.dependency-cruiser.cjs');
    const { stdout } = spawnSync(
      process.execPath,
      [program, 'apps', 'libs', '--config', config, '--output-type', 'json'],
      { cwd: folder, encoding: 'utf8', maxBuffer: 1 << 26 },
    );
    const { summary } = JSON.parse(stdout) as { summary: { violations: { from: string; rule: { name: string } }[] } };
    found = summary.violations.map(({ from, rule: { name } }) => ({ rule: name, file: from }));
  });

  it.each(VIOLATIONS)('that breaks %s in %s', (rule, file) => {
    expect(found).toContainEqual({ rule, file });
  });

  it('and has a seeded violation for each of its rules', () => {
    const { forbidden } = createRequire(join(root, 'package.json'))('./.dependency-cruiser.cjs') as {
      forbidden: { name: string }[];
    };
    const seeded = new Set(VIOLATIONS.map(([rule]) => rule));
    expect(forbidden.map(({ name }) => name).filter((name) => !seeded.has(name))).toEqual([]);
  });

  it('and has no objection to a handler that calls a use case', () => {
    expect(found.filter(({ file }) => file === PLAIN)).toEqual([]);
  });
});

describe('npm run check finds a line', () => {
  const DECISION = 'apps/rate-limit/src/limits/seeded.decision.ts';
  const STORE = 'apps/rate-limit/src/limits/seeded.store.ts';
  const PLAIN = 'export const double = (value: number): number => 2 * value;';
  /** What is wrong, where, the line, and a part of the message. */
  const VIOLATIONS: readonly (readonly [what: string, file: string, line: string, message: string])[] = [
    ['that reads the clock in a decision', DECISION, 'export const now = Date.now();', 'Time is an argument'],
    ['that reads chance in a decision', DECISION, 'export const x = Math.random();', 'Chance is an argument'],
    ['that starts a timer in a decision', DECISION, 'setTimeout(() => undefined);', 'setTimeout'],
    ['that reads the environment in a store', STORE, 'export const x = process.env.X;', 'The environment is read'],
    ['that forges a counted attempt', STORE, 'export const x = {} as CountedAttempt;', 'Only an attempt gate'],
    ['that makes a placeholder time', STORE, 'export const x = new Date(0);', 'No placeholder time'],
    ['that makes a placeholder time in a test', 'test/seeded.spec.ts', 'new Date(0);', 'No placeholder time'],
    ['that skips a test', 'test/seeded.spec.ts', "it.skip('x', () => undefined);", 'No test is skipped'],
    ['that prints to the console', STORE, "console.log('x');", 'Unexpected console statement'],
    ['beyond the 500th of a file', STORE, 'export {};\n'.repeat(501), 'too many lines'],
  ];
  let messages: string[];

  beforeAll(() => {
    // Types need the whole program, and none of these rules needs types.
    const program = `
      import { ESLint } from 'eslint';
      import tseslint from 'typescript-eslint';
      const withoutTypes = [
        tseslint.configs.disableTypeChecked,
        { languageOptions: { parserOptions: { projectService: false } } },
      ];
      const eslint = new ESLint({ overrideConfig: withoutTypes });
      const cases = ${JSON.stringify([...VIOLATIONS.map(([, file, line]) => [file, line]), [DECISION, PLAIN]])};
      const results = [];
      for (const [filePath, line] of cases) results.push(...(await eslint.lintText(line, { filePath })));
      console.log(JSON.stringify(results.map(({ messages }) => messages.map(({ message }) => message).join('; '))));
    `;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      encoding: 'utf8',
    });
    if (stdout === '') throw new Error(stderr);
    messages = JSON.parse(stdout) as string[];
  });

  it.each(VIOLATIONS.map(([what, , , part], at) => ({ what, part, at })))('$what', ({ part, at }) => {
    expect(messages[at]).toContain(part);
  });

  it('and has no objection to a plain function', () => {
    expect(messages.at(-1)).toBe('');
  });
});
