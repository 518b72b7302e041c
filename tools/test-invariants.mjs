/**
 * `npm run test:invariants [-- --short --fault NAME --runs N]`: every fault of the matrix over a real Kafka, a real PostgreSQL
 * and the services as processes, and a table of what was lost, doubled and silent; before it the races of guesses, all runs of
 * them. NAME is a part of a fault's name, and then there are no races; with `--short` it is as much as `npm test` does.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildIfStale, root } from './build.mjs';

const LOOK_EVERY_MS = 500;
const SHOWN = 5;

const { fault, runs, short } = readArguments();
buildIfStale();
const folder = mkdtempSync(join(tmpdir(), 'countersign-invariants-'));
const report = join(folder, 'report.jsonl');
writeFileSync(report, '');
const rows = [];
let read = 0;
const raced = fault === undefined && !short ? await races() : 0;
const watch = setInterval(follow, LOOK_EVERY_MS);
const code = (await jest()) || raced;
clearInterval(watch);
follow();
rmSync(folder, { recursive: true, force: true });
process.stdout.write(`\n${table()}\n`);
const broken = rows.flatMap(({ fault, violations }) => violations.map((one) => ({ fault, ...one })));
for (const { fault, promise, kind, evidence } of broken.slice(0, 100)) {
  process.stdout.write(`${fault}: ${promise} (${kind}): ${evidence}\n`);
}
process.stdout.write(
  rows.length > 0 && broken.length === 0 && code === 0
    ? 'every promise was kept\n'
    : `${broken.length} violations${rows.length === 0 ? ', and no fault of that name was run' : ''}\n`,
);
process.exit(broken.length > 0 || rows.length === 0 ? 1 : code);

function readArguments() {
  try {
    const { values } = parseArgs({
      options: { fault: { type: 'string' }, runs: { type: 'string', default: '1' }, short: { type: 'boolean' } },
    });
    if (!/^[1-9]\d{0,3}$/.test(values.runs)) throw new Error('--runs takes a number from 1 to 9999');
    return values;
  } catch (error) {
    process.stderr.write(`${error.message}\nnpm run test:invariants -- [--short] [--fault NAME] [--runs N]\n`);
    process.exit(2);
  }
}

/** With a broker and a database that `tools/test.mjs` starts. */
function races() {
  const child = spawn(
    process.execPath,
    [
      join(root, 'tools', 'test.mjs'),
      '--selectProjects=e2e',
      '--testPathPatterns=test/invariants/guesses',
      '--verbose',
    ],
    { cwd: root, env: { ...process.env, INVARIANTS_FORM: 'full' }, stdio: ['ignore', 'inherit', 'inherit'] },
  );
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => child.on('exit', (status) => resolve(status ?? 1)));
}

function jest() {
  const child = spawn(
    process.execPath,
    [
      ...['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'],
      join(root, 'node_modules', 'jest', 'bin', 'jest.js'),
      ...['--selectProjects=e2e', '--testPathPatterns=test/invariants/faults', '--runInBand'],
      // Clients whose broker was killed under them leave timers behind.
      '--forceExit',
    ],
    {
      cwd: root,
      env: {
        ...process.env,
        INVARIANTS_REPORT: report,
        INVARIANTS_RUNS: runs,
        ...(short ? { INVARIANTS_FORM: 'short' } : { INVARIANTS_FORM: 'full' }),
        ...(fault === undefined ? {} : { INVARIANTS_FAULT: fault }),
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => child.on('exit', (status) => resolve(status ?? 1)));
}

/** Tells what has been reported since the last look. */
function follow() {
  const text = readFileSync(report, 'utf8');
  const end = text.lastIndexOf('\n') + 1;
  for (const line of text.slice(read, end).split('\n').filter(Boolean)) {
    const { begin, note, row } = JSON.parse(line);
    if (begin !== undefined) process.stdout.write(`${time()} ${begin} …\n`);
    if (note !== undefined) process.stdout.write(`${time()}   ${note}\n`);
    if (row === undefined) continue;
    rows.push(row);
    const { attempts, asked, unavailable, silenceMs, p99Ms, violations } = row;
    process.stdout.write(
      `${time()}   ${asked} asked, ${attempts} attempts, ${unavailable} unavailable, silence ${silenceMs} ms, ` +
        `p99 ${p99Ms} ms, ${violations.length} violations\n`,
    );
    for (const { promise, evidence } of violations.slice(0, SHOWN)) {
      process.stdout.write(`           ${promise}: ${evidence}\n`);
    }
  }
  read = end;
}

function time() {
  return new Date().toISOString().slice(11, 19);
}

function table() {
  const head = ['fault', 'runs', 'attempts', 'lost', 'doubled', 'longest silence (ms)', 'unavailable', 'p99 (ms)'];
  const lines = rows.map((row) =>
    [row.fault, row.runs, row.attempts, row.lost, row.doubled, row.silenceMs, row.unavailable, row.p99Ms].map(String),
  );
  const widths = head.map((name, at) => Math.max(name.length, ...lines.map((line) => line[at].length)));
  const format = (line) => `| ${line.map((cell, at) => cell.padEnd(widths[at])).join(' | ')} |`;
  return [head, widths.map((width) => '-'.repeat(width)), ...lines].map(format).join('\n');
}
