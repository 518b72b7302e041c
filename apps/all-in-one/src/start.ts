import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { demoCommand, demoCurlFile, ensureSecretFiles, openDataFolder, readDemo } from '@countersign/installation';
import { openBroker, type FatalHandler, type HostedService } from '@countersign/hosting';
import { MemoryBroker } from '@countersign/messaging';
import { createProcessLogger, OpsServer } from '@countersign/observability';
import { startEmbeddedPostgres } from '@countersign/embedded-postgres';
import { loadSettings, ServiceError, type Environment, type RunningService } from '@countersign/runtime';
import { start as startAudit } from '../../audit/src/start.js';
import { start as startDirectory } from '../../directory/src/start.js';
import { start as startRateLimit } from '../../rate-limit/src/start.js';
import { start as startRestAdapter } from '../../rest-adapter/src/start.js';
import { start as startSwaigAdapter } from '../../swaig-adapter/src/start.js';
import { start as startVerification } from '../../verification/src/start.js';
import { AllInOneSettings } from './all-in-one.settings.js';
import { ensureDemo } from './demo.js';

/** The whole product in one process, and what to show to the person who started it. */
export interface RunningProduct extends RunningService {
  /** Lines for a terminal: the addresses, and on the first start the administrator key and the demo command. */
  readonly terminalLines: readonly string[];
  /** The same lines for a log, with file names in place of the secrets. */
  readonly logLines: readonly string[];
  /** Records that the secrets were shown. Each start shows them until then. */
  readonly markSecretsShown: () => void;
}

/** A file in the data folder. It exists once the administrator key and the demo were shown on a terminal. */
const SHOWN_FILE = 'secrets-shown';

/** Suffix of a variable that names a file with the value. */
const FILE_SUFFIX = '_FILE';

/**
 * Starts all six services in this process, each with its own Nest container, on one bus. Without KAFKA_BROKERS the bus
 * is in process; without DATABASE_URL the database is an embedded PostgreSQL in DATA_DIR. Keys that the environment does
 * not set are created once and kept in DATA_DIR/secrets.
 * @throws ServiceError SETTINGS_INVALID and what the services throw
 */
export async function start(env: Environment, fatal: FatalHandler): Promise<RunningProduct> {
  const settings = loadSettings(AllInOneSettings, env);
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const step of closers.splice(0).reverse()) await step();
  };
  try {
    return await startAll(settings, env, fatal, closers, close);
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }
}

async function startAll(
  settings: AllInOneSettings,
  env: Environment,
  fatal: FatalHandler,
  closers: (() => Promise<void>)[],
  close: () => Promise<void>,
): Promise<RunningProduct> {
  const logger = createProcessLogger(settings.LOG_LEVEL);
  const dataDir = openDataFolder(settings.DATA_DIR);
  // Not derived from the database: a first start that failed has created one without showing the secrets.
  const isFirst = !existsSync(join(dataDir, SHOWN_FILE));
  const { values } = await readSecrets(join(dataDir, 'secrets'));

  const databaseUrl = settings.DATABASE_URL?.reveal() ?? (await startDatabase(dataDir, closers));
  const onKafka = settings.KAFKA_BROKERS !== undefined;
  const broker = onKafka ? openBroker('all-in-one', settings, logger) : new MemoryBroker();
  closers.push(() => broker.close());

  // Settings of the environment take precedence over created keys.
  const shared: Environment = { ...values, ...withoutEmpty(env), DATABASE_URL: databaseUrl };
  const replace = { broker, logger, ops: false } as const;
  const services: HostedService[] = [];
  const startInParallel = async (starts: (typeof startAudit)[]): Promise<void> => {
    const results = await Promise.allSettled(starts.map((startOne) => startOne(shared, fatal, replace)));
    for (const result of results) {
      if (result.status === 'rejected') continue;
      services.push(result.value);
      closers.push(() => result.value.close());
    }
    for (const result of results) if (result.status === 'rejected') throw result.reason as Error;
  };
  // Services close in reverse order. The audit service must close last, because the others would otherwise wait forever
  // for it to take their last facts from the in-process bus.
  await startInParallel([startAudit, startDirectory, startVerification, startRateLimit]);
  // The HTTP servers of the adapters open last and close first.
  await startInParallel([startRestAdapter, startSwaigAdapter]);

  const healths = new Map(services.map(({ name, health }) => [name, health]));
  const ops = await OpsServer.start(settings.HOST, settings.OPS_PORT, settings.RECEIVE_TIMEOUT_MS, healths);
  closers.push(() => ops.close());
  const urls = Object.assign({}, ...services.map((service) => service.urls), { ops: ops.url }) as Record<
    string,
    string
  >;
  const ready = `ready ${Object.entries(urls)
    .map(([name, url]) => `${name}=${url}`)
    .join(' ')}`;
  const terminalLines = [ready];
  const logLines = [ready];
  if (isFirst && shared['ADMIN_API_KEY'] === values.ADMIN_API_KEY) {
    const file = join(settings.DATA_DIR, 'secrets', 'ADMIN_API_KEY');
    terminalLines.push(`administrator key (shown once, kept in ${file}): ${values.ADMIN_API_KEY}`);
    logLines.push(`administrator key: in ${file}`);
  }
  const demoUrls = { restUrl: urls['rest'] ?? '', swaigUrl: urls['swaig'] ?? '' };
  const createsDemo = settings.DEMO ?? (isFirst && settings.DATABASE_URL === undefined ? 'if-absent' : false);
  if (await ensureDemo(dataDir, demoUrls, createsDemo, shared)) {
    const title = 'try it, this verifies the PIN of the demo customer:';
    const repeat = 'show it again: npm run countersign -- demo';
    const demo = readDemo(dataDir);
    if (demo && isFirst) terminalLines.push(title, '', `  ${demoCommand(demo)}`, '', repeat);
    else terminalLines.push(`demo: npm run countersign -- demo`);
    logLines.push(title, '', `  curl --config '${demoCurlFile(settings.DATA_DIR)}'`, '');
  }
  const markSecretsShown = (): void => writeFileSync(join(dataDir, SHOWN_FILE), '');
  return { name: 'countersign', urls, terminalLines, logLines, markSecretsShown, close };
}

/** @throws ServiceError SETTINGS_INVALID if the folder of secrets is incomplete or cannot be written */
async function readSecrets(folder: string): ReturnType<typeof ensureSecretFiles> {
  try {
    return await ensureSecretFiles(folder);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === undefined ? message : `the folder of keys cannot be written (${code})`;
    throw new ServiceError('SETTINGS_INVALID', `DATA_DIR: ${reason}`, false);
  }
}

async function startDatabase(dataDir: string, closers: (() => Promise<void>)[]): Promise<string> {
  const database = await startEmbeddedPostgres({ dataDir: join(dataDir, 'postgres') });
  closers.push(() => database.close());
  return database.url;
}

/** Removes empty variables, and hides a created value if the environment names a file for it. */
function withoutEmpty(env: Environment): Environment {
  const given = Object.entries(env).filter(([, value]) => value !== undefined && value !== '');
  const files = given
    .filter(([name]) => name.endsWith(FILE_SUFFIX))
    .map(([name]) => [name.slice(0, -FILE_SUFFIX.length), undefined] as const);
  return Object.fromEntries([...files, ...given]);
}
