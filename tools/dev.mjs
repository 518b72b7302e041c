/** `npm run dev`: the product in one process over a real Apache Kafka on this machine; its log is kept in ./data/kafka. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildTestsIfStale, root } from './build.mjs';

await buildTestsIfStale();
const load = (path) => import(pathToFileURL(join(root, 'build', path)).href);
const { startKafka } = await load('libs/testing/src/index.js');
const { runProcess } = await load('libs/runtime/src/index.js');
const { start } = await load('apps/all-in-one/src/start.js');
const { printWelcome } = await load('apps/all-in-one/src/welcome.js');

await runProcess(process.env, async (env, fatal) => {
  process.stderr.write('starting Apache Kafka…\n');
  const kafka = await startKafka({ dir: join(env.DATA_DIR ?? './data', 'kafka') });
  const closeKafka = () => kafka.close();
  try {
    const product = await start({ ...env, KAFKA_BROKERS: kafka.brokers.join(',') }, fatal);
    printWelcome(product, process.stdout);
    process.stdout.write(`kafka ${kafka.brokers.join(',')}\n`);
    // The applications leave their groups before the broker goes, or the next start would wait for them.
    return { ...product, close: () => product.close().finally(closeKafka) };
  } catch (error) {
    await closeKafka();
    throw error;
  }
});
