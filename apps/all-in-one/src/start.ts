import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openBroker, type FatalHandler } from '@countersign/hosting';
import { HttpListener, OpsServer } from '@countersign/http-listener';
import { openDataFolder } from '@countersign/installation';
import { MemoryBroker } from '@countersign/messaging';
import { createProcessLogger } from '@countersign/observability';
import { loadSettings, settingsInvalid, type Environment } from '@countersign/runtime';
import { AllInOneSettings } from './all-in-one.settings.js';
import { ensureDemo } from './demo.js';
import { productEnvironment } from './product-environment.js';
import { startServices } from './product-services.js';
import { welcomeLines, type RunningProduct } from './welcome.js';

/** A file in the data folder. It exists once the administrator key and the demo were shown on a terminal. */
const SHOWN_FILE = 'secrets-shown';

/**
 * Starts all services in this process, each with its own Nest container, on one bus. Without KAFKA_BROKERS the bus
 * is in process; without DATABASE_URL the database is an embedded PostgreSQL in DATA_DIR. Keys that the environment does
 * not set are created once and kept in DATA_DIR/secrets.
 * @throws ServiceError SETTINGS_INVALID and what the services throw
 */
export async function start(env: Environment, fatal: FatalHandler): Promise<RunningProduct> {
  const settings = loadSettings(AllInOneSettings, env);
  const { DATA_DIR, DATABASE_URL, DEMO, KAFKA_BROKERS, LOG_LEVEL } = settings;
  const usesTls = settings.TLS_CERT_FILE !== undefined;
  if (usesTls && DEMO === true) {
    throw settingsInvalid(['DEMO must not be true with TLS_CERT_FILE: create the demo before you turn TLS on']);
  }
  const closers: (() => Promise<void>)[] = [];
  const onClose = (step: () => Promise<void>): void => void closers.push(step);
  const close = async (): Promise<void> => {
    for (const step of closers.splice(0).reverse()) await step();
  };
  try {
    const logger = createProcessLogger(LOG_LEVEL);
    const listener = await HttpListener.open('all-in-one', settings, logger);
    const dataDir = openDataFolder(DATA_DIR);
    // Not derived from the database: a first start that failed has created one without showing the secrets.
    const isFirst = !existsSync(join(dataDir, SHOWN_FILE));
    const { environment, createdAdminKey } = await productEnvironment(dataDir, env, DATABASE_URL?.reveal(), onClose);
    const broker = KAFKA_BROKERS === undefined ? new MemoryBroker() : openBroker('all-in-one', settings, logger);
    onClose(() => broker.close());
    const operators: { url?: string } = {};
    const replacements = { broker, logger, ops: false, opsUrl: () => operators.url } as const;
    const services = await startServices(environment, fatal, replacements, onClose);
    const healths = new Map(services.map(({ name, health }) => [name, health]));
    const ops = await OpsServer.start(listener, healths);
    operators.url = ops.url;
    onClose(listener.watch());
    onClose(() => ops.close());
    const urls = Object.fromEntries([
      ...services.flatMap((one) => Object.entries(one.urls)),
      ['ops', ops.url],
    ]) as Record<string, string>;
    const demoUrls = { restUrl: urls['rest'] ?? '', swaigUrl: urls['swaig'] ?? '' };
    const createsDemo = DEMO ?? (isFirst && DATABASE_URL === undefined ? 'if-absent' : false);
    // The demo is created over HTTP, and the certificate is for another host name than the address of the port.
    const demo = usesTls ? undefined : await ensureDemo(dataDir, demoUrls, createsDemo, environment);
    const isOwnKey = environment['ADMIN_API_KEY'] === createdAdminKey;
    const content = { urls, dataDir: DATA_DIR, isFirst, createdAdminKey: isOwnKey ? createdAdminKey : undefined, demo };
    const markSecretsShown = (): void => writeFileSync(join(dataDir, SHOWN_FILE), '');
    return { name: 'countersign', urls, ...welcomeLines(content), markSecretsShown, close };
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }
}
