import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ensureSecretFiles, openBroker, type Fatal, type HostedService } from '@countersign/hosting';
import { MemoryBroker } from '@countersign/messaging';
import { createProcessLogger, OpsServer } from '@countersign/observability';
import { startEmbeddedPostgres } from '@countersign/persistence';
import { loadSettings, ServiceError, type Environment, type RunningService } from '@countersign/service';
import { start as startAudit } from '../../audit/src/start.js';
import { start as startDirectory } from '../../directory/src/start.js';
import { start as startRateLimit } from '../../rate-limit/src/start.js';
import { start as startRestAdapter } from '../../rest-adapter/src/start.js';
import { start as startSwaigAdapter } from '../../swaig-adapter/src/start.js';
import { start as startVerification } from '../../verification/src/start.js';
import { AllInOneSettings } from './config.js';
import { demoCommand, seedDemo } from './demo.js';

/** The whole product in one process, and what to tell the person who started it. */
export interface RunningProduct extends RunningService {
  /** Lines for the terminal: the address, what was made, what to try. */
  readonly welcome: readonly string[];
}

/**
 * Starts all six services in this process, each with its own Nest container, on one bus. Without KAFKA_BROKERS the bus
 * is in process; without DATABASE_URL the database is an embedded PostgreSQL under DATA_DIR. Keys that are not given
 * are made and kept in DATA_DIR/secrets.
 * @throws ServiceError SETTINGS_INVALID and what the services throw
 */
export async function start(env: Environment, fatal: Fatal): Promise<RunningProduct> {
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
  fatal: Fatal,
  closers: (() => Promise<void>)[],
  close: () => Promise<void>,
): Promise<RunningProduct> {
  const logger = createProcessLogger(settings.LOG_LEVEL);
  const dataDir = resolve(settings.DATA_DIR);
  const isNew = !existsSync(join(dataDir, 'postgres'));
  mkdirSync(dataDir, { recursive: true });
  const { values, made } = await readSecrets(join(dataDir, 'secrets'));

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
  const ops = await OpsServer.start(settings.HOST, settings.OPS_PORT, healths);
  closers.push(() => ops.close());
  const urls = Object.assign({}, ...services.map((service) => service.urls), { ops: ops.url }) as Record<
    string,
    string
  >;
  const welcome = [
    `ready ${Object.entries(urls)
      .map(([name, url]) => `${name}=${url}`)
      .join(' ')}`,
  ];
  if (made.includes('ADMIN_API_KEY') && shared['ADMIN_API_KEY'] === values.ADMIN_API_KEY) {
    welcome.push(`administrator key (shown once, kept in ${settings.DATA_DIR}/secrets): ${values.ADMIN_API_KEY}`);
  }
  if (settings.DEMO ?? (isNew && settings.DATABASE_URL === undefined)) {
    const [rest, swaig] = [urls['rest'] ?? '', urls['swaig'] ?? ''];
    const demo = await seedDemo(rest, swaig, adminKey(shared));
    welcome.push('try it, this verifies the PIN of the demo customer:', '', `  ${demoCommand(swaig, demo)}`, '');
  }
  return { name: 'countersign', urls, welcome, close };
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
