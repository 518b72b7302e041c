import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const MODULE = '../tools/compile.mjs';
let folder: string;
let compile: (root: string, output: string, sources: readonly string[]) => Promise<void>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-compile-'));
  copyFileSync('.swcrc', join(folder, '.swcrc'));
  ({ compile } = (await import(MODULE)) as { compile: typeof compile });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function compiled(source: string, text: string): Promise<string> {
  mkdirSync(dirname(join(folder, source)), { recursive: true });
  writeFileSync(join(folder, source), text);
  await compile(folder, 'dist', [source]);
  return readFileSync(join(folder, 'dist', source.replace(/ts$/, 'js')), 'utf8');
}

describe('the build', () => {
  it('imports a library from its folder, and keeps a string that names the library', async () => {
    const code = await compiled(
      'apps/audit/src/start.ts',
      [
        "import { type Fact, TOPICS } from '@countersign/contracts';",
        "import type { Policy } from '@countersign/crypto';",
        "export * from '@countersign/http';",
        "export const later = (): Promise<unknown> => import('@countersign/runtime');",
        "export const named = (fact: Fact, policy: Policy) => [TOPICS, fact, policy, '@countersign/api'];",
      ].join('\n'),
    );
    expect(code).toContain("import { TOPICS } from '../../../libs/contracts/src/index.js';");
    expect(code).toContain("export * from '../../../libs/http/src/index.js';");
    expect(code).toContain("import('../../../libs/runtime/src/index.js')");
    expect(code).toContain("'@countersign/api'");
    expect(code).not.toMatch(/Fact|Policy|crypto/);
  });

  it('writes a source map that names the source', async () => {
    await compiled('libs/http/src/index.ts', 'export const port: number = 1;');
    const map = readFileSync(join(folder, 'dist', 'libs', 'http', 'src', 'index.js.map'), 'utf8');
    expect(JSON.parse(map)).toMatchObject({ sources: ['../../../../libs/http/src/index.ts'] });
  });

  it('fails on a source that is no TypeScript, and names it', async () => {
    await expect(compiled('libs/http/src/faulty.ts', 'export const = 1;')).rejects.toThrow('faulty.ts');
  });
});
