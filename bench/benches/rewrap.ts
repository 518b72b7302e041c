import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { spawnNode } from '../lifetime.js';
import { options } from '../options.js';
import { keep, row, say } from '../report.js';
import { BenchRig, type PathRate } from '../rig.js';
import { storeSubjects } from '../stored-subjects.js';

/**
 * `countersign keys rewrap` over many credentials and as many keys of subjects, while a load runs. The run fails when a right PIN is
 * answered with anything but `verified`.
 */
const given = options({ rows: '100000', 'in-flight': '8', callers: '500' });
const rows = Number(given.rows);
const inFlight = Number(given['in-flight']);
const random = (): string => randomBytes(32).toString('base64url');
const [old, anew, identifier] = [`k1:${random()}`, `k2:${random()}`, random()];
const CLI = join(import.meta.dirname, '..', '..', 'apps', 'cli', 'src', 'main.js');

let before: PathRate | undefined;
const during: PathRate[] = [];
let seconds = NaN;
let report = '';
await BenchRig.with(async (rig) => {
  const env = { CREDENTIAL_KEYS: `${anew},${old}`, IDENTIFIER_KEY: identifier };
  const product = await rig.install('separate', { subjects: 1, env });
  say(`writing ${rows} subjects…`);
  const callers = await storeSubjects(rig.databaseUrl, old, rows, Number(given.callers));
  const calling = { ...product, callers };
  before = await rig.path(calling, { seconds: 8, warmUpSeconds: 5, inFlight });
  let ended = false;
  const load = async (): Promise<void> => {
    while (!ended) during.push(await rig.path(calling, { seconds: 4, warmUpSeconds: 0, inFlight }));
  };
  const rewrap = async (): Promise<void> => {
    const begun = performance.now();
    report = await run({ ...env, DATABASE_URL: rig.databaseUrl }).finally(() => (ended = true));
    seconds = (performance.now() - begun) / 1000;
  };
  await Promise.all([load(), rewrap()]);
});

const verified = during.reduce((sum, { done }) => sum + done, 0);
const perSecond = (rows * 2) / seconds;
process.stdout.write(
  `${[
    '',
    report.trimEnd(),
    row('rows encrypted again per second, including the start of the command', perSecond.toFixed(0)),
    row('seconds', seconds.toFixed(1)),
    row('verifications during the command, all verified', String(verified)),
    row('verified per second before / during', `${before?.perSecond.toFixed(1)} / ${worst((r) => -r.perSecond, -1)}`),
    row('p99 ms before / during (worst round)', `${before?.p99.toFixed(0)} / ${worst((r) => r.p99, 1)}`),
  ].join('\n')}\n`,
);
keep('rewrap', {
  at: new Date().toISOString(),
  rows: rows * 2,
  seconds,
  perSecond,
  verified,
  inFlight,
  before,
  during,
});

function worst(read: (rate: PathRate) => number, sign: 1 | -1): string {
  return (sign * Math.max(...during.map(read))).toFixed(1);
}

/** Runs the command to its end. @returns what it printed */
function run(env: Record<string, string>): Promise<string> {
  const child = spawnNode([CLI, 'keys', 'rewrap'], { env: { PATH: process.env['PATH'] ?? '', ...env } });
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (part: string) => (output += part));
  return new Promise((resolve, reject) => {
    child.once('close', (code) => (code === 0 ? resolve(output) : reject(new Error(`keys rewrap ended with ${code}`))));
  });
}
