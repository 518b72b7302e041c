/**
 * Jest's `globalSetup` of all projects but `unit`: builds, and starts a real PostgreSQL and a real Apache Kafka.
 * Tests find them in TEST_KAFKA_BROKERS, TEST_KAFKA_DATA_DIRS, TEST_KAFKA_PID, TEST_DATABASE_URL and TEST_POSTGRES_PID.
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildIfStale, buildTestsIfStale, root } from '../build.mjs';

/** Functions that end what this run has started. */
const closers = [];

export async function stopServers() {
  for (const close of closers.splice(0)) await close().catch((error) => process.stderr.write(`${error.message}\n`));
}

/** Jest ends without its reporters when the set-up fails, so without the last line of `report-counts.mjs`. */
const printFailure = () => writeSync(process.stdout.fd, '0 passed, 1 failed\n');

export default async function startServers() {
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stopServers().finally(() => process.exit(1)));
  process.once('exit', printFailure);
  try {
    await buildIfStale();
    await buildTestsIfStale();
    const { startKafka, startPostgres } = await import(
      pathToFileURL(join(root, 'build', 'libs', 'testing', 'src', 'index.js')).href
    );
    const keep = (server) => (closers.push(() => server.close()), server);
    const [kafka, postgres] = await Promise.all([startKafka().then(keep), startPostgres().then(keep)]);
    process.env.TEST_KAFKA_BROKERS = kafka.brokers.join(',');
    process.env.TEST_KAFKA_DATA_DIRS = kafka.dataDirs.join(',');
    process.env.TEST_KAFKA_PID = String(kafka.processes[0].pid);
    process.env.TEST_DATABASE_URL = postgres.url;
    process.env.TEST_POSTGRES_PID = String(postgres.pid);
  } catch (error) {
    await stopServers();
    throw error;
  }
  process.off('exit', printFailure);
}
