import { BusSettings, openBroker } from '@countersign/hosting';
import { type Broker } from '@countersign/messaging';
import { createProcessLogger } from '@countersign/observability';
import { type Environment, loadSettings, ServiceError } from '@countersign/service';
import { type Write } from './write.js';

const write: Write = (text) => void process.stdout.write(`${text}\n`);

/**
 * Runs a command on the bus that the environment names (KAFKA_BROKERS, TOPIC_PREFIX and what else a service reads). A
 * failure is one line on standard error, and exit code 1.
 */
export async function withBroker(
  env: Environment,
  command: (broker: Broker, write: Write) => Promise<void>,
): Promise<void> {
  try {
    // What the client library complains about would stand among the output; the error that follows says it.
    const broker = openBroker('cli', loadSettings(BusSettings, env), createProcessLogger('silent'));
    await command(broker, write).finally(() => broker.close());
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
