import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const run = (...args: string[]): { status: number | null; stderr: string } => {
  const { status, stderr } = spawnSync(process.execPath, ['tools/generate-docs.mjs', ...args], { encoding: 'utf8' });
  return { status, stderr };
};

/** What differs from the code, and how. */
const DRIFTS: readonly (readonly [what: string, from: string, to: string])[] = [
  ['a default', '| `OPS_PORT` | `9464` |', '| `OPS_PORT` | `9465` |'],
  ['a meaning', 'Address to listen on', 'Address'],
  ['an error code', '| `POISON` |', '| `VENOM` |'],
  ['a metric', '`countersign_up`', '`countersign_down`'],
  ['a topic', '| `verification.queries` |', '| `verification.question` |'],
];

describe('the generated tables of the documentation', () => {
  const current = readFileSync('docs/operations.md', 'utf8');
  let folder: string;
  const write = (name: string, text: string): string => {
    const page = join(folder, `${name}.md`);
    writeFileSync(page, text);
    return page;
  };
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'countersign-docs-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('fail the check when a cell differs from the code, and are restored by npm run docs', () => {
    const drifted = DRIFTS.map(([what, from, to]) => {
      expect(current).toContain(from);
      return write(what, current.replace(from, to));
    });
    const untouched = write('untouched', current);

    const { status, stderr } = run('--check', untouched, ...drifted);
    expect(status).toBe(1);
    for (const [what] of DRIFTS) expect(stderr).toContain(`${what}.md is not current: run "npm run docs"`);
    expect(stderr).not.toContain('untouched');

    expect(run(...drifted).status).toBe(0);
    for (const page of drifted) expect(readFileSync(page, 'utf8')).toBe(current);
  }, 60_000);

  it('reject a marker that names no table', () => {
    const { status, stderr } = run(
      '--check',
      write('nobody', '<!-- generated: settings nobody -->\n<!-- /generated -->\n'),
    );
    expect(status).not.toBe(0);
    expect(stderr).toContain('there is no table "settings nobody"');
  }, 60_000);
});
