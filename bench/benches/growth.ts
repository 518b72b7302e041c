import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { DEFAULT_LOG_ORIGIN } from '@countersign/contracts';
import { Client } from 'pg';
import { latency, median } from '../figures.js';
import { type Installation } from '../installation.js';
import { options } from '../options.js';
import { keep, say, table } from '../report.js';
import { BenchRig } from '../rig.js';
import { storeHistory } from '../stored-history.js';
import { readTableUse, tableUseReport } from '../table-use.js';
import { medianWorks, sumOf, workTable, type Works } from '../work.js';

/**
 * The whole path without argon2 over tables with a few thousand subjects only, and over tables with a million subjects,
 * attempts, commands and events more, in turn, in one run over one PostgreSQL.
 */
interface Variant {
  readonly name: string;
  readonly rows: number;
  readonly databaseUrl: string;
  readonly product: Installation;
  readonly rates: { readonly perSecond: number; readonly times: readonly number[]; readonly works: Works }[];
}

const given = options({
  rounds: '3',
  seconds: '8',
  'in-flight': '32',
  rows: '1000000',
  callers: '4000',
  'warm-up': '20',
});
const [rows, callers, seconds] = [Number(given.rows), Number(given.callers), Number(given.seconds)];
const variants: Variant[] = [];
const sizes: Record<string, string[]> = {};
const uses: string[] = [];
let secondsToFill = NaN;
await BenchRig.with(async (rig) => {
  const secret = (): string => randomBytes(32).toString('base64url');
  for (const [name, count] of [
    ['empty', 0],
    ['full', rows],
  ] as const) {
    const databaseUrl = await rig.createDatabase();
    const ring = `k1:${secret()}`;
    say(`filling the tables with ${count} subjects, attempts, commands and events`);
    const begun = performance.now();
    const stored = await storeHistory({ databaseUrl, ring, origin: DEFAULT_LOG_ORIGIN, rows: count, callers });
    secondsToFill = (performance.now() - begun) / 1000;
    const env = { CREDENTIAL_KEYS: ring, IDENTIFIER_KEY: secret() };
    const programs = { verification: join('bench', 'verification-without-hash.js') };
    const installed = await rig.install('separate', { subjects: 1, databaseUrl, env, programs });
    variants.push({ name, rows: count, databaseUrl, product: { ...installed, callers: stored }, rates: [] });
    sizes[name] = await sizesOf(databaseUrl);
  }
  const before = await Promise.all(variants.map(({ databaseUrl }) => readTableUse(databaseUrl)));
  const done = variants.map(() => 0);
  for (let round = 1; round <= Number(given.rounds); round++) {
    for (const [at, { name, product, rates }] of variants.entries()) {
      const plan = {
        seconds,
        warmUpSeconds: round === 1 ? Number(given['warm-up']) : 3,
        inFlight: Number(given['in-flight']),
      };
      const rate = await rig.path(product, plan);
      const { perSecond, works } = rate;
      rates.push(rate);
      done[at] = (done[at] ?? 0) + rate.done;
      say(`round ${round}, ${name}: ${perSecond.toFixed(0)} per second, ${sumOf(works).toFixed(2)} ms each`);
    }
  }
  for (const [at, { name, databaseUrl }] of variants.entries()) {
    const use = await readTableUse(databaseUrl);
    uses.push(`tables of one verification, ${name}\n\n${tableUseReport(before[at] ?? use, use, done[at] ?? NaN)}`);
  }
});

/** The largest tables with their indexes. */
async function sizesOf(url: string): Promise<string[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows: tables } = await client.query<{ name: string; size: string }>(
    `SELECT nspname || '.' || relname AS name, pg_size_pretty(sum(pg_total_relation_size(c.oid))) AS size
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname IN ('verification', 'rate_limit', 'audit') AND relkind = 'r'
    GROUP BY 1 ORDER BY sum(pg_total_relation_size(c.oid)) DESC LIMIT 10`,
  );
  await client.end();
  return tables.map(({ name, size }) => `${name} ${size}`);
}

const lines = variants.map(({ name, rows: stored, rates }) => ({
  name,
  stored,
  perSecond: median(rates.map((rate) => rate.perSecond)),
  ...latency(rates.flatMap((rate) => rate.times)),
  works: medianWorks(rates.map((rate) => rate.works)),
}));
const [empty, full] = lines.map(({ works }) => sumOf(works));
process.stdout.write(
  `${[
    '',
    table(
      ['tables', 'subjects', 'per second', 'p50 ms', 'p99 ms', 'processor ms of a verification'],
      lines.map(({ name, stored, perSecond, p50, p99, works }) => [
        ...[name, String(stored + callers), perSecond.toFixed(0), p50.toFixed(1), p99.toFixed(1)],
        sumOf(works).toFixed(2),
      ]),
    ),
    '',
    `full over empty tables: ${((full ?? NaN) / (empty ?? NaN)).toFixed(2)} of the processor time (goal 1.10)`,
    `tables were filled in ${secondsToFill.toFixed(0)} s: ${sizes['full']?.join(', ')}`,
    ...lines.flatMap(({ name, works }) => ['', `${name} tables`, workTable(works)]),
    ...uses.flatMap((use) => ['', use]),
  ].join('\n')}\n`,
);
keep('growth', { at: new Date().toISOString(), rows, callers, secondsToFill, sizes, lines });
