import { BusSettings, openBroker } from '@countersign/hosting';
import { type Broker } from '@countersign/messaging';
import { createProcessLogger } from '@countersign/observability';
import { type Environment, loadSettings } from '@countersign/runtime';
import { reportFault, toTerminal, type Write } from './terminal.js';

/**
 * Runs a command on the bus of the environment (KAFKA_BROKERS, TOPIC_PREFIX and the other settings of a service).
 */
export async function withBroker(
  env: Environment,
  command: (broker: Broker, write: Write) => Promise<void>,
): Promise<void> {
  await reportFault(async () => {
    // Log lines of the client library would mix with the output; the final error has the cause.
    const broker = openBroker('cli', loadSettings(BusSettings, env), createProcessLogger('silent'));
    await command(broker, toTerminal).finally(() => broker.close());
  });
}
