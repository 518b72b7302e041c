import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EMPTY_ROOT, leafHash, signCheckpoint } from '@countersign/transparency-log';
import { KEY, ORIGIN } from '../../test/signing-bed.js';
import { StateFile } from './state-file.js';

const headOf = (size: number) => {
  const head = { size, root: size === 0 ? EMPTY_ROOT : leafHash(Buffer.from(String(size))) };
  return { ...head, note: signCheckpoint(head, KEY) };
};

describe('the state file', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'countersign-state-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('holds what was written last, for the owner alone, and leaves no other file', async () => {
    const path = join(folder, 'state');
    const file = new StateFile(path, ORIGIN);
    expect(await file.read()).toBeUndefined();
    await file.write(headOf(7));
    await file.write(headOf(8));
    expect(await new StateFile(path, ORIGIN).read()).toEqual(headOf(8));
    expect([readdirSync(folder), statSync(path).mode & 0o777]).toEqual([['state'], 0o600]);
  });

  it.each([
    ['is empty', ''],
    ['was cut off', headOf(9).note.slice(0, 60)],
    ['is of another log', headOf(9).note.replaceAll(ORIGIN, 'other.example/audit')],
    ['is too long', `${headOf(9).note}${'x'.repeat(5_000)}\n`],
  ])('that %s is refused and not taken for a missing one', async (_what, text) => {
    const path = join(folder, 'state');
    writeFileSync(path, text);
    await expect(new StateFile(path, ORIGIN).read()).rejects.toMatchObject({ code: 'SETTINGS_INVALID' });
  });

  it('that cannot be read is refused', async () => {
    await expect(new StateFile(folder, ORIGIN).read()).rejects.toThrow('LOG_SIGNER_STATE cannot be read (EISDIR)');
  });
});
