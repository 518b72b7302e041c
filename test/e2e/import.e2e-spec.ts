import { jest } from '@jest/globals';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openDatabase, type Database } from '@countersign/persistence';
import { eventually } from '@countersign/testing';
import { Client, newName } from '../client.js';
import { startSeparate, temporaryFolder, type SeparateProduct } from '../product.js';

/** Rows of the large import. Set it to 100000 for the figures of the product description. */
const ROWS = Number(process.env['IMPORT_ROWS'] ?? 5_000);
const MAX_MEMORY_MIB = 256;
/** The bcrypt hash of {@link PIN}. */
const BCRYPT = '$2b$04$rAJspen/oZSfZByN5Zc4zOY.W8p3Mm6AeKPXZU/Q3DMyRWBjiWpIK';
const PIN = '83729164';
const LIMIT_MS = 120_000 + ROWS * 20;

// The commands are processes of their own, on machines that do other work beside them.
jest.setTimeout(LIMIT_MS);

let product: SeparateProduct;
let client: Client;
let database: Database;
let folder: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  product = await startSeparate();
  client = new Client(product);
  database = await openDatabase({
    ...{ url: product.databaseUrl, schema: 'verification', migrations: 'none', as: 'administrator' },
    ...{ applicationName: 'test', statementTimeoutMs: 60_000 },
  });
}, 180_000);
afterAll(async () => {
  await database.close();
  await product.remove();
  await rm(folder, { recursive: true });
}, 60_000);

interface Run {
  readonly code: number | null;
  readonly output: string;
  readonly peakMib: number;
}

/** Peak memory of a process in MiB. */
function peakOf(pid: number | undefined): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** @param killWhen ends the command with SIGKILL when it is true */
async function countersign(args: readonly string[], killWhen?: () => boolean): Promise<Run> {
  const main = join(process.cwd(), 'dist', 'bin', 'cli.js');
  const url = product.restUrls()[0] ?? '';
  const env = { PATH: process.env['PATH'], COUNTERSIGN_API_KEY: product.adminKey, COUNTERSIGN_REST_URL: url };
  const child = spawn(process.execPath, [main, ...args], { env });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()));
  let peakMib = 0;
  const watch = setInterval(() => {
    peakMib = Math.max(peakMib, peakOf(child.pid));
    if (killWhen?.() === true) child.kill('SIGKILL');
  }, 5);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearInterval(watch);
  return { code, output, peakMib };
}

const importing = (tenant: string, file: string, ...more: string[]): string[] => [
  ...['subjects', 'import', file, '--tenant', tenant],
  ...more,
];

async function newTenant(): Promise<string> {
  const tenant = newName('tenant');
  await client.putTenant(tenant);
  return tenant;
}

const exporting = (tenant: string, ...file: string[]): string[] => ['subjects', 'export', ...file, '--tenant', tenant];

const count = async (sql: string, tenant: string): Promise<number> => {
  const [row] = await database.query<{ count: string }>(sql, [tenant]);
  return Number(row?.count);
};

it(
  `an import of ${ROWS} subjects with hashes of another system that is killed continues without a double, in bounded memory`,
  async () => {
    const tenant = await newTenant();
    const agent = await client.createAgent(tenant);
    const file = join(folder, 'customers.csv');
    const text = (bytes: number): string => randomBytes(bytes).toString('base64').replace(/=/g, '');
    const rows = Array.from({ length: ROWS }, (_, n) => {
      const phone = `+1212${String(2_000_000 + n).padStart(7, '0')}`;
      const hash = n === 0 ? BCRYPT : `"$argon2id$v=19$m=19456,t=2,p=1$${text(16)}$${text(32)}"`;
      return `c-${n},${phone},Customer ${n},en-US,${hash}`;
    });
    await writeFile(file, ['subject,phones,displayName,locale,pinHash', ...rows, ''].join('\n'));
    const stateFile = `${file}.import.json`;
    const lineOf = (): number =>
      existsSync(stateFile) ? (JSON.parse(readFileSync(stateFile, 'utf8')) as { line: number }).line : 0;
    const startedAt = performance.now();
    let kills = 0;
    for (const part of [0.2, 0.5, 0.8]) {
      const killed = await countersign(importing(tenant, file), () => lineOf() > ROWS * part);
      if (killed.code === null) kills++;
      expect(lineOf()).toBeGreaterThan(0);
    }
    expect(kills).toBe(3);
    const { code, output, peakMib } = await countersign(importing(tenant, file));
    const seconds = (performance.now() - startedAt) / 1000;
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('rejected 0') as string });
    expect(output).toMatch(/continues after line \d+[\s\S]*\d+ per second/);
    expect(existsSync(stateFile)).toBe(false);
    const tables = ['subjects', 'credentials', 'subject_phones', 'subject_keys'];
    for (const table of tables)
      expect(await count(`SELECT count(*) FROM verification.${table} WHERE tenant = $1`, tenant)).toBe(ROWS);
    const doubles = 'SELECT count(*) FROM verification.versions WHERE tenant = $1 AND version > 1';
    expect(await count(doubles, tenant)).toBe(0);
    expect((await client.verify(agent, { subject: 'c-0', pin: PIN })).json).toMatchObject({ outcome: 'verified' });
    const unchanged = await countersign(importing(tenant, file));
    expect(unchanged.output).toContain(`unchanged ${ROWS - 1}`);
    const peaks = {
      cli: Math.max(peakMib, unchanged.peakMib),
      'rest-adapter': peakOf(product.running('rest-adapter')[0]?.program.pid),
      verification: peakOf(product.running('verification')[0]?.program.pid),
    };
    const shown = Object.entries(peaks).map(([name, mib]) => `${name} ${Math.round(mib)} MiB`);
    process.stdout.write(
      `imported ${ROWS} subjects in ${seconds.toFixed(1)} s with three kills, ${Math.round(ROWS / seconds)} per second; peaks: ${shown.join(', ')}\n${output}${unchanged.output}`,
    );
    for (const mib of Object.values(peaks)) expect(mib).toBeLessThan(MAX_MEMORY_MIB);
  },
  LIMIT_MS,
);

it('rejected rows are listed with line and reason in a file that can be corrected and imported', async () => {
  const tenant = await newTenant();
  const file = join(folder, 'staff.csv');
  const lines = [
    'subject,phones,displayName,pin,answers.last_four_ssn,answers.zip_code',
    'a,+12025550147;+12025550148,"Ada, Countess",592817,,',
    'b,12,Bob,,,',
    '"c","+12025550149","Two',
    'lines",,,',
    'd,,Dan,1234,,',
    'e,,Eve,,6789,94103',
    '',
  ];
  await writeFile(file, lines.join('\n'));
  const checked = await countersign(importing(tenant, file, '--dry-run'));
  expect(checked.output).toContain('would be created 2, updated 0, unchanged 0, rejected 3');
  expect(await count('SELECT count(*) FROM verification.subjects WHERE tenant = $1', tenant)).toBe(0);
  const { code, output } = await countersign(importing(tenant, file));
  expect([code, output]).toEqual([1, expect.stringContaining('created 2, updated 0, unchanged 0, rejected 3')]);
  const rejected = join(folder, 'staff.rejected.csv');
  const text = await readFile(rejected, 'utf8');
  expect(text.split('\n')[0]).toBe(`${lines[0]},_line,_reason`);
  expect(text).toMatch(/^b,12,Bob,,,,3,"phones\[0\] must be a possible telephone number/m);
  expect(text).toMatch(/^d,,Dan,1234,,,6,pin must/m);
  const corrected = text.replace('b,12,', 'b,+12025550150,').replace('1234', '592817').replace('"Two\nlines"', 'Carol');
  await writeFile(rejected, corrected);
  expect((await countersign(importing(tenant, rejected))).output).toContain(
    'created 3, updated 0, unchanged 0, rejected 0',
  );
});

it.each([
  ['a column that is not known', 'subject,pim\na,592817\n', [], 'unknown column "pim"'],
  ['no tenant of that name', 'subject\na\n', ['--tenant', 'nowhere'], 'there is no tenant nowhere'],
  ['nothing at the address', 'subject\na\n', ['--url', 'http://127.0.0.1:9'], 'check --url'],
])('the command says what to do about %s', async (_what, text, more, advice) => {
  const file = join(folder, 'few.csv');
  await writeFile(file, text);
  const { code, output } = await countersign(importing(await newTenant(), file, ...more));
  expect([code, output]).toEqual([1, expect.stringContaining(advice)]);
});

it('the examples of docs/import.md are imported', async () => {
  const page = await readFile(join(process.cwd(), 'docs', 'import.md'), 'utf8');
  for (const kind of ['csv', 'ndjson']) {
    const [, text = ''] = new RegExp(`\`\`\`${kind}\n([\\s\\S]*?)\`\`\``).exec(page) ?? [];
    const file = join(folder, `example.${kind}`);
    await writeFile(file, text);
    const { output } = await countersign(importing(await newTenant(), file));
    expect(output).toContain('created 3, updated 0, unchanged 0, rejected 0');
  }
});

it('an import is recorded with its actor and the number of rows of each result', async () => {
  const tenant = await newTenant();
  const file = join(folder, 'one.ndjson');
  await writeFile(file, '{"subject":"a"}\n{"subject":"b","pin":"1234"}\n');
  await countersign(importing(tenant, file));
  await eventually(
    'the event is in the log',
    async () => {
      const rows = await database.query<{ value: string }>(
        `SELECT convert_from(value, 'UTF8') AS value FROM audit.entries WHERE tenant = $1 AND kind = 'subjects.imported'`,
        [tenant],
      );
      return rows.some(({ value }) => value.includes('"created":1') && value.includes('administrator'));
    },
    20_000,
  );
});

it('an export has every subject as the list shows it, and no secret, and is recorded with actor and count', async () => {
  const tenant = await newTenant();
  const file = join(folder, 'many.ndjson');
  const rows = Array.from({ length: 450 }, (_, n) => {
    const phones = [`+1202${String(5_550_000 + n)}`];
    return JSON.stringify({ subject: `c-${n}`, phones, displayName: `Customer ${n}`, pinHash: BCRYPT });
  });
  await writeFile(file, rows.join('\n'));
  expect((await countersign(importing(tenant, file))).output).toContain('created 450');
  await client.putPin(tenant, 'c-0', PIN);
  const listed: unknown[] = [];
  for (let cursor = ''; ;) {
    const path = `/v1/tenants/${tenant}/subjects?limit=200${cursor}`;
    const { items, nextCursor } = (await client.manage('GET', path)).json as { items: unknown[]; nextCursor: string };
    listed.push(...items);
    if (nextCursor === null) break;
    cursor = `&cursor=${nextCursor}`;
  }
  const target = join(folder, 'export.ndjson');
  // A file that others may read must not keep its mode.
  await writeFile(target, '', { mode: 0o644 });
  const { code, output } = await countersign(exporting(tenant, target));
  expect([code, output]).toEqual([0, `exported 450 subjects to ${target}\n`]);
  const text = await readFile(target, 'utf8');
  const exported = text.trimEnd().split('\n');
  expect(exported.map((line) => JSON.parse(line) as unknown)).toEqual(listed);
  expect(listed).toHaveLength(450);
  expect([(await stat(target)).mode & 0o777, existsSync(`${target}.new`)]).toEqual([0o600, false]);
  for (const secret of [PIN, '$2b$', '$argon2id$', '+12025550000']) expect(text).not.toContain(secret);
  expect((await countersign(exporting(tenant))).output).toBe(text);
  await eventually(
    'the events are in the log',
    async () => {
      const found = await database.query<{ value: string }>(
        `SELECT convert_from(value, 'UTF8') AS value FROM audit.entries WHERE tenant = $1 AND kind = 'subjects.exported'`,
        [tenant],
      );
      const isWhole = ({ value }: { value: string }): boolean =>
        value.includes('"count":450') && value.includes('"isComplete":true') && value.includes('administrator');
      return found.length === 2 && found.every(isWhole);
    },
    20_000,
  );
  const missing = await countersign(exporting('nowhere', target));
  expect([missing.code, missing.output]).toEqual([1, expect.stringContaining('there is no tenant nowhere')]);
  expect(await readFile(target, 'utf8')).toBe(text);
});
