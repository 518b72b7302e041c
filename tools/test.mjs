/**
 * `npm test [-- jest arguments]`: builds, starts a real PostgreSQL and a real Apache Kafka, runs jest, stops both.
 * Ends with the line `N passed, N failed`.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildIfStale, root } from './build.mjs';

buildIfStale();
const { startKafka, startPostgres } = await import(
  pathToFileURL(join(root, 'dist', 'libs', 'testing', 'src', 'index.js')).href
);
const folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
const report = join(folder, 'report.json');
const closers = [];
let code = 1;
try {
  const [kafka, postgres] = await Promise.all([
    startKafka().then((running) => (closers.push(() => running.close()), running)),
    startPostgres().then((running) => (closers.push(() => running.close()), running)),
  ]);
  process.stderr.write('Apache Kafka and PostgreSQL are up\n');
  code = await jest({
    TEST_KAFKA_BROKERS: kafka.brokers.join(','),
    TEST_KAFKA_DATA_DIRS: kafka.dataDirs.join(','),
    TEST_DATABASE_URL: postgres.url,
  });
} catch (error) {
  process.stderr.write(`The tests could not be run: ${error.message}\n`);
} finally {
  for (const close of closers) await close().catch((error) => process.stderr.write(`${error.message}\n`));
}
const { numPassedTests = 0, numFailedTests = 0, numFailedTestSuites = 0, numPendingTests = 0 } = readReport();
rmSync(folder, { recursive: true, force: true });
// A suite that could not even be loaded is a failure without a test.
const failed = Math.max(numFailedTests, numFailedTestSuites, code === 0 ? 0 : 1);
const skipped = numPendingTests > 0 ? `, ${numPendingTests} skipped` : '';
process.stdout.write(`${numPassedTests} passed, ${failed} failed${skipped}\n`);
process.exit(failed > 0 ? 1 : code);

function jest(env) {
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
      ...process.argv.slice(2),
    ],
    { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => child.on('exit', (status) => resolve(status ?? 1)));
}

function readReport() {
  try {
    return JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    return {};
  }
}
