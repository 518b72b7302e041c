/**
 * Jest's `globalSetup` of all projects but `unit`: builds, and starts a real PostgreSQL and a real Apache Kafka.
 * Tests find them in TEST_KAFKA_BROKERS, TEST_KAFKA_DATA_DIRS and TEST_DATABASE_URL.
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

export default async function startServers() {
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stopServers().finally(() => process.exit(1)));
  try {
    buildIfStale();
    buildTestsIfStale();
    const { startKafka, startPostgres } = await import(
      pathToFileURL(join(root, 'build', 'libs', 'testing', 'src', 'index.js')).href
    );
    const keep = (server) => (closers.push(() => server.close()), server);
    const [kafka, postgres] = await Promise.all([startKafka().then(keep), startPostgres().then(keep)]);
    process.env.TEST_KAFKA_BROKERS = kafka.brokers.join(',');
    process.env.TEST_KAFKA_DATA_DIRS = kafka.dataDirs.join(',');
    process.env.TEST_DATABASE_URL = postgres.url;
  } catch (error) {
    // Jest ends without its reporters now, so without the last line of `report-counts.mjs`.
    process.once('exit', () => writeSync(process.stdout.fd, '0 passed, 1 failed\n'));
    await stopServers();
    throw error;
  }
}
