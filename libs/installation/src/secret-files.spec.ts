import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureSecretFiles, SECRET_NAMES } from './secret-files.js';

describe('a folder of secrets', () => {
  let parent: string;
  beforeEach(() => (parent = mkdtempSync(join(tmpdir(), 'countersign-secrets-'))));
  afterEach(() => rmSync(parent, { recursive: true, force: true }));

  const modesOf = (folder: string): readonly number[] =>
    [folder, ...readdirSync(folder).map((name) => join(folder, name))].map((path) => statSync(path).mode & 0o777);
  const closed = [0o700, ...SECRET_NAMES.map(() => 0o600)];

  it('is made with every secret, for its owner alone, whatever the umask', async () => {
    const umask = process.umask(0);
    try {
      const { made } = await ensureSecretFiles(join(parent, 'new'));
      expect(made).toEqual(SECRET_NAMES);
      expect(modesOf(join(parent, 'new'))).toEqual(closed);
    } finally {
      process.umask(umask);
    }
  });

  it('that others could enter and read is closed to them, and its values stay', async () => {
    const { values } = await ensureSecretFiles(parent);
    chmodSync(parent, 0o755);
    for (const name of SECRET_NAMES) chmodSync(join(parent, name), 0o644);
    expect(await ensureSecretFiles(parent)).toEqual({ values, made: [] });
    expect(modesOf(parent)).toEqual(closed);
  });

  it('keeps a secret that somebody put there by hand, with its mode mended', async () => {
    writeFileSync(join(parent, 'ADMIN_API_KEY'), 'csadmin_by-hand-0123456789abcdef\n', { mode: 0o664 });
    const { values, made } = await ensureSecretFiles(parent);
    expect(values.ADMIN_API_KEY).toBe('csadmin_by-hand-0123456789abcdef');
    expect(made).not.toContain('ADMIN_API_KEY');
    expect(modesOf(parent)).toEqual(closed);
  });
});
