/**
 * `npm test [-- jest arguments]`: builds, starts a real PostgreSQL and a real Apache Kafka, runs jest, stops both. Without
 * arguments the unit tests come first, several at a time, while the servers start; the others follow one after the other,
 * because tests of faults and of load leave no processor for another.
 * Ends with the line `N passed, N failed`.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildIfStale, buildTestsIfStale, root } from './build.mjs';

const NO_RESULT = { numPassedTests: 0, numFailedTests: 0, numFailedTestSuites: 0, numPendingTests: 0 };

buildIfStale();
buildTestsIfStale();
const { startKafka, startPostgres } = await import(
  pathToFileURL(join(root, 'build', 'libs', 'testing', 'src', 'index.js')).href
);
const folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
const given = process.argv.slice(2);
const closers = [];
const results = [];
try {
  const servers = start();
  // Whoever awaits them hears of it; until then it is nobody's error.
  servers.catch(() => undefined);
  if (given.length === 0) results.push(await jest('unit', ['--selectProjects', 'unit', '--maxWorkers', '100%']));
  const env = await servers;
  process.stderr.write('Apache Kafka and PostgreSQL are up\n');
  results.push(await jest('all', given.length === 0 ? ['--selectProjects', 'int', 'e2e'] : given, env));
} catch (error) {
  process.stderr.write(`The tests could not be run: ${error.message}\n`);
  results.push({ ...NO_RESULT, code: 1 });
} finally {
  for (const close of closers) await close().catch((error) => process.stderr.write(`${error.message}\n`));
}
rmSync(folder, { recursive: true, force: true });
const sum = (of) => results.reduce((total, result) => total + of(result), 0);
const passed = sum(({ numPassedTests }) => numPassedTests);
// A suite that could not even be loaded is a failure without a test.
const failed = sum(({ numFailedTests, numFailedTestSuites, code }) =>
  Math.max(numFailedTests, numFailedTestSuites, code === 0 ? 0 : 1),
);
const skipped = sum(({ numPendingTests }) => numPendingTests);
process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
process.exit(failed > 0 ? 1 : 0);

/** The environment in which tests find the servers. */
async function start() {
  const [kafka, postgres] = await Promise.all([
    startKafka().then((running) => (closers.push(() => running.close()), running)),
    startPostgres().then((running) => (closers.push(() => running.close()), running)),
  ]);
  return {
    TEST_KAFKA_BROKERS: kafka.brokers.join(','),
    TEST_KAFKA_DATA_DIRS: kafka.dataDirs.join(','),
    TEST_DATABASE_URL: postgres.url,
  };
}

/** What jest counted, and its exit code. */
async function jest(name, parameters, env = {}) {
  const report = join(folder, `${name}.json`);
  const child = spawn(
    process.execPath,
    [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      join(root, 'node_modules', 'jest', 'bin', 'jest.js'),
      '--json',
      // A connection to a broker that was killed in a test may be left: it must not keep the run from ending.
      '--forceExit',
      `--outputFile=${report}`,
      ...parameters,
    ],
    { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  const code = await new Promise((resolve) => child.on('exit', (status) => resolve(status ?? 1)));
  return { ...NO_RESULT, ...readReport(report), code };
}

function readReport(report) {
  try {
    return JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    return {};
  }
}
