import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  EMPTY_ROOT,
  openCheckpoint,
  parseSignerKey,
  parseVerifierKey,
  signCheckpoint,
} from '@countersign/transparency-log';
import { ensureSecretFiles, readSecretFiles, SECRET_NAMES } from './secret-files.js';

describe('a folder of secrets', () => {
  let parent: string;
  beforeEach(() => (parent = mkdtempSync(join(tmpdir(), 'countersign-secrets-'))));
  afterEach(() => rmSync(parent, { recursive: true, force: true }));

  const modesOf = (folder: string): readonly number[] =>
    [folder, ...readdirSync(folder).map((name) => join(folder, name))].map((path) => statSync(path).mode & 0o777);
  const privateModes = [0o700, ...SECRET_NAMES.map(() => 0o600)];

  it('is created with every secret, readable only by its owner, whatever the umask is', async () => {
    const umask = process.umask(0);
    try {
      const { created } = await ensureSecretFiles(join(parent, 'new'));
      expect(created).toEqual(SECRET_NAMES);
      expect(modesOf(join(parent, 'new'))).toEqual(privateModes);
    } finally {
      process.umask(umask);
    }
  });

  it('that others can read becomes private, and its values stay the same', async () => {
    const { values } = await ensureSecretFiles(parent);
    chmodSync(parent, 0o755);
    for (const name of SECRET_NAMES) chmodSync(join(parent, name), 0o644);
    expect(await ensureSecretFiles(parent)).toEqual({ values, created: [] });
    expect(modesOf(parent)).toEqual(privateModes);
  });

  it('keeps a secret that an operator wrote by hand, and corrects its mode', async () => {
    writeFileSync(join(parent, 'ADMIN_API_KEY'), 'csadmin_by-hand-0123456789abcdef\n', { mode: 0o664 });
    const { values, created } = await ensureSecretFiles(parent);
    expect(values.ADMIN_API_KEY).toBe('csadmin_by-hand-0123456789abcdef');
    expect(created).not.toContain('ADMIN_API_KEY');
    expect(modesOf(parent)).toEqual(privateModes);
  });

  it('has a key of the audit log with the name of the log, and its public half', async () => {
    const { values } = await ensureSecretFiles(parent, 'audit.example.com/log');
    const note = signCheckpoint({ size: 0, root: EMPTY_ROOT }, parseSignerKey(values.LOG_SIGNING_KEY));
    expect(openCheckpoint(note, parseVerifierKey(values.LOG_PUBLIC_KEYS)).origin).toBe('audit.example.com/log');
  });

  it.each([
    ['LOG_SIGNING_KEY', 'LOG_PUBLIC_KEYS'],
    ['RECEIPT_KEYS', 'RECEIPT_PUBLIC_KEYS'],
  ])('without %s beside %s is refused and stays as it is', async (privateKeys, publicKeys) => {
    const { values } = await ensureSecretFiles(parent);
    rmSync(join(parent, privateKeys));
    await expect(ensureSecretFiles(parent)).rejects.toThrow(`${privateKeys} is missing beside ${publicKeys}`);
    expect(readSecretFiles(parent)).toEqual({ ...values, [privateKeys]: undefined });
  });
});
