/**
 * `npm run test:invariants [-- --short --fault NAME --runs N]`: first the races of attempts, then every fault of the matrix
 * over a real Kafka, a real PostgreSQL and the services as processes. Ends with a table of what was lost, doubled and
 * unanswered. NAME is a part of a fault's name; the races are omitted then. `--short` runs as much as `npm test` does.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './build.mjs';

const READ_EVERY_MS = 500;
const SHOWN_PER_FAULT = 5;
const SHOWN_AT_THE_END = 100;

const { fault, runs, short } = readArguments();
const folder = mkdtempSync(join(tmpdir(), 'countersign-invariants-'));
const report = join(folder, 'report.jsonl');
writeFileSync(report, '');
const rows = [];
let read = 0;
const raceCode = fault === undefined && !short ? await runJest('guesses', { INVARIANTS_FORM: 'full' }, 'inherit') : 0;
const timer = setInterval(printNewLines, READ_EVERY_MS);
const faultCode = await runJest('faults', {
  INVARIANTS_REPORT: report,
  INVARIANTS_RUNS: runs,
  INVARIANTS_FORM: short ? 'short' : 'full',
  ...(fault === undefined ? {} : { INVARIANTS_FAULT: fault }),
});
const code = faultCode || raceCode;
clearInterval(timer);
printNewLines();
rmSync(folder, { recursive: true, force: true });
process.stdout.write(`\n${table()}\n`);
const broken = rows.flatMap(({ fault, violations }) => violations.map((one) => ({ fault, ...one })));
for (const { fault, promise, kind, evidence } of broken.slice(0, SHOWN_AT_THE_END)) {
  process.stdout.write(`${fault}: ${promise} (${kind}): ${evidence}\n`);
}
if (rows.length === 0) process.stdout.write(fault === undefined ? 'no fault was run\n' : `no fault matches ${fault}\n`);
else if (broken.length > 0) process.stdout.write(`${broken.length} violations\n`);
else process.stdout.write(code === 0 ? 'every promise was kept\n' : 'no violation, but a test failed\n');
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

/** Runs one file of test/invariants. @returns jest's exit code */
function runJest(name, env, stdout = 'ignore') {
  const child = spawn(
    process.execPath,
    [
      ...['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'],
      join(root, 'node_modules', 'jest', 'bin', 'jest.js'),
      ...['--selectProjects=load', `--testPathPatterns=test/invariants/${name}`, '--verbose'],
    ],
    { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', stdout, 'inherit'] },
  );
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => child.on('exit', (status) => resolve(status ?? 1)));
}

/** Prints what the tests have reported since the last call. */
function printNewLines() {
  const text = readFileSync(report, 'utf8');
  const end = text.lastIndexOf('\n') + 1;
  for (const line of text.slice(read, end).split('\n').filter(Boolean)) {
    const { begin, note, row } = JSON.parse(line);
    if (begin !== undefined) process.stdout.write(`${time()} ${begin} …\n`);
    if (note !== undefined) process.stdout.write(`${time()}   ${note}\n`);
    if (row === undefined) continue;
    rows.push(row);
    const { attempts, requests, unavailable, longestGapMs, p99Ms, violations } = row;
    process.stdout.write(
      `${time()}   ${requests} requests, ${attempts} attempts, ${unavailable} answered unavailable, ` +
        `${longestGapMs} ms without a decision, p99 ${p99Ms} ms, ${violations.length} violations\n`,
    );
    for (const { promise, evidence } of violations.slice(0, SHOWN_PER_FAULT)) {
      process.stdout.write(`           ${promise}: ${evidence}\n`);
    }
  }
  read = end;
}

function time() {
  return new Date().toISOString().slice(11, 19);
}

function table() {
  const head = ['fault', 'runs', 'attempts', 'lost', 'doubled', 'longest gap (ms)', 'unavailable', 'p99 (ms)'];
  const lines = rows.map((row) =>
    [row.fault, row.runs, row.attempts, row.lost, row.doubled, row.longestGapMs, row.unavailable, row.p99Ms].map(
      String,
    ),
  );
  const widths = head.map((name, at) => Math.max(name.length, ...lines.map((line) => line[at].length)));
  const format = (line) => `| ${line.map((cell, at) => cell.padEnd(widths[at])).join(' | ')} |`;
  return [head, widths.map((width) => '-'.repeat(width)), ...lines].map(format).join('\n');
}
