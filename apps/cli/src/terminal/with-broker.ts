import { BusSettings, openBroker } from '@countersign/hosting';
import { type Broker } from '@countersign/messaging';
import { createProcessLogger } from '@countersign/observability';
import { type Environment, loadSettings } from '@countersign/runtime';
import { orComplain, toTerminal, type Write } from './terminal.js';

/**
 * Runs a command on the bus that the environment names (KAFKA_BROKERS, TOPIC_PREFIX and what else a service reads).
 */
export async function withBroker(
  env: Environment,
  command: (broker: Broker, write: Write) => Promise<void>,
): Promise<void> {
  await orComplain(async () => {
    // What the client library complains about would stand among the output; the error that follows says it.
    const broker = openBroker('cli', loadSettings(BusSettings, env), createProcessLogger('silent'));
    await command(broker, toTerminal).finally(() => broker.close());
  });
}
