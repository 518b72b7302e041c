import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  demoCommand,
  demoCurlFile,
  ensureSecretFiles,
  openDataFolder,
  readDemo,
  writeDemo,
} from '@countersign/installation';
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
import { isDemoUsable, seedDemo } from './demo.js';

/** The whole product in one process, and what to show to the person who started it. */
export interface RunningProduct extends RunningService {
  /** Lines for a terminal: the addresses, and once the administrator key and how to try the demo. */
  readonly welcome: readonly string[];
  /** The same for a collector of logs: where to find the secrets instead of the secrets. */
  readonly announcement: readonly string[];
  /** Records that the secrets were shown. Until then each start shows them. */
  readonly shown: () => void;
}

/** In the data folder: the administrator key and the demo were shown on a terminal. */
const SHOWN_FILE = 'secrets-shown';

/**
 * Starts all six services in this process, each with its own Nest container, on one bus. Without KAFKA_BROKERS the bus
 * is in process; without DATABASE_URL the database is an embedded PostgreSQL under DATA_DIR. Keys that are not given
 * are made and kept in DATA_DIR/secrets.
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
  // A first start that failed had a database already, and its secrets were never shown.
  const isFirst = !existsSync(join(dataDir, SHOWN_FILE));
  const { values } = await readSecrets(join(dataDir, 'secrets'));

  const databaseUrl = settings.DATABASE_URL?.reveal() ?? (await embeddedDatabase(dataDir, closers));
  const onKafka = settings.KAFKA_BROKERS !== undefined;
  const broker = onKafka ? openBroker('all-in-one', settings, logger) : new MemoryBroker();
  closers.push(() => broker.close());

  // What the environment gives wins over what is made here.
  const shared: Environment = { ...values, ...withoutEmpty(env), DATABASE_URL: databaseUrl };
  const replace = { broker, logger, ops: false } as const;
  const services: HostedService[] = [];
  const run = async (starts: (typeof startAudit)[]): Promise<void> => {
    const results = await Promise.allSettled(starts.map((startOne) => startOne(shared, fatal, replace)));
    for (const result of results) {
      if (result.status === 'rejected') continue;
      services.push(result.value);
      closers.push(() => result.value.close());
    }
    for (const result of results) if (result.status === 'rejected') throw result.reason as Error;
  };
  // The audit service closes after those whose last facts it takes: on the bus inside this process they would wait for
  // it for ever.
  await run([startAudit, startDirectory, startVerification, startRateLimit]);
  // The doors open last and close first.
  await run([startRestAdapter, startSwaigAdapter]);

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
  const welcome = [ready];
  const announcement = [ready];
  if (isFirst && shared['ADMIN_API_KEY'] === values.ADMIN_API_KEY) {
    const file = join(settings.DATA_DIR, 'secrets', 'ADMIN_API_KEY');
    welcome.push(`administrator key (shown once, kept in ${file}): ${values.ADMIN_API_KEY}`);
    announcement.push(`administrator key: in ${file}`);
  }
  const [rest, swaig] = [urls['rest'] ?? '', urls['swaig'] ?? ''];
  if (await ensureDemo(settings, dataDir, { rest, swaig }, () => adminKey(shared))) {
    const title = 'try it, this verifies the PIN of the demo customer:';
    const again = 'show it again: npm run countersign -- demo';
    const demo = readDemo(dataDir);
    if (demo && isFirst) welcome.push(title, '', `  ${demoCommand(demo)}`, '', again);
    else welcome.push(`demo: npm run countersign -- demo`);
    announcement.push(title, '', `  curl --config '${demoCurlFile(settings.DATA_DIR)}'`, '');
  }
  const shown = (): void => writeFileSync(join(dataDir, SHOWN_FILE), '');
  return { name: 'countersign', urls, welcome, announcement, shown, close };
}

/**
 * Makes the demo where it is wanted and missing, and brings its addresses up to date.
 * @returns whether there is a demo
 */
async function ensureDemo(
  settings: AllInOneSettings,
  dataDir: string,
  urls: { readonly rest: string; readonly swaig: string },
  adminKeyOf: () => string,
): Promise<boolean> {
  const made = readDemo(dataDir);
  if (made && (await isDemoUsable(urls.swaig, made))) {
    writeDemo(dataDir, { ...made, swaigUrl: urls.swaig, restUrl: urls.rest });
    return true;
  }
  // A demo that somebody removed on purpose is not made again.
  const isNew = made === undefined && !existsSync(join(dataDir, SHOWN_FILE));
  if (!(settings.DEMO ?? (isNew && settings.DATABASE_URL === undefined))) return false;
  writeDemo(dataDir, await seedDemo(urls.rest, urls.swaig, adminKeyOf()));
  return true;
}

/** @throws ServiceError SETTINGS_INVALID when the folder of secrets is incomplete */
async function readSecrets(folder: string): ReturnType<typeof ensureSecretFiles> {
  try {
    return await ensureSecretFiles(folder);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === undefined ? message : `the folder of keys cannot be written (${code})`;
    throw new ServiceError('SETTINGS_INVALID', `DATA_DIR: ${reason}`, false);
  }
}

async function embeddedDatabase(dataDir: string, closers: (() => Promise<void>)[]): Promise<string> {
  const database = await startEmbeddedPostgres({ dataDir: join(dataDir, 'postgres') });
  closers.push(() => database.close());
  return database.url;
}

function adminKey(env: Environment): string {
  const key = env['ADMIN_API_KEY'];
  if (key) return key;
  throw new ServiceError('SETTINGS_INVALID', 'DEMO needs ADMIN_API_KEY itself, not ADMIN_API_KEY_FILE', false);
}

/** Variables that are set to nothing count as not set; a name given as a file leaves no room for a made value. */
function withoutEmpty(env: Environment): Environment {
  const given = Object.entries(env).filter(([, value]) => value !== undefined && value !== '');
  const files = given
    .filter(([name]) => name.endsWith('_FILE'))
    .map(([name]) => [name.slice(0, -5), undefined] as const);
  return Object.fromEntries([...files, ...given]);
}
