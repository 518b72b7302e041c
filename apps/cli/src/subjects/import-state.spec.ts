import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ImportState } from './import-state.js';

const TARGET = { url: 'http://localhost:3001', tenant: 'acme' };

let folder: string;
let file: string;
let rejected: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'import-state-'));
  file = join(folder, 'customers.csv');
  rejected = join(folder, 'customers.rejected.csv');
  writeFileSync(file, 'subject\na\nb\n');
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (options: { dryRun?: boolean; restart?: boolean } = {}): ImportState =>
  ImportState.open(file, TARGET, { rejectedHead: 'subject,_line,_reason', restart: false, dryRun: false, ...options });

describe('the state of an import', () => {
  it('is continued with its rejected rows, although a dry run of the same file ran in between', () => {
    const interrupted = open();
    interrupted.add({ line: 2, bytes: 10 }, 'rejected', 'a,2,wrong');
    interrupted.save();
    interrupted.close();
    const dry = open({ dryRun: true });
    expect(dry.isContinued).toBe(false);
    dry.add({ line: 2, bytes: 10 }, 'created');
    dry.finish();
    const continued = open();
    expect([continued.isContinued, continued.line]).toEqual([true, 2]);
    continued.finish();
    expect(readFileSync(rejected, 'utf8')).toBe('subject,_line,_reason\na,2,wrong\n');
    expect(existsSync(`${file}.import.json`)).toBe(false);
  });

  it('lets only the owner read the rejected rows, although the file existed before with other rights', () => {
    writeFileSync(rejected, 'old');
    chmodSync(rejected, 0o644);
    const state = open();
    expect(statSync(rejected).mode & 0o777).toBe(0o600);
    state.close();
  });
});
