import { type AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { TOPICS } from '@countersign/contracts';
import { DirectoryCopy } from '@countersign/directory-copy';
import { BusClient, createBroker, type Broker } from '@countersign/messaging';
import { createLogger, Health, NestLogger, OpsServer, type Logger } from '@countersign/observability';
import { KeyedHash, Sealer } from '@countersign/sealing';
import { loadSettings, ServiceError, SystemClock, type Environment, type RunningService } from '@countersign/service';
import { Authenticator } from './authenticate.js';
import { checkedAdminKey, fromSetting, RestSettings } from './config.js';
import { createAdapter, guardEdge, type KnownRoute } from './http-edge.js';
import { ProblemFilter } from './problems.js';
import { RestAdapterModule } from './rest-adapter.module.js';

const NAME = 'rest-adapter';

/** What the process that runs several services in one gives them; tests do the same. */
export interface Replacements {
  /** A bus that is shared and stays open when this service closes. */
  readonly broker?: Broker;
  readonly logger?: Logger;
  /** False: the health is served by whoever started this. */
  readonly ops?: false;
}

export interface RestAdapter extends RunningService {
  readonly health: Health;
  /** Every route that is served. */
  readonly routes: readonly KnownRoute[];
}

/**
 * Starts the REST adapter; it listens when this returns.
 * @param fatal called when it broke in a way that only a restart mends
 * @throws ServiceError SETTINGS_INVALID or BROKER_UNAVAILABLE, with everything let go that was begun
 */
export async function start(
  env: Environment,
  fatal: (error: Error) => void,
  replace: Replacements = {},
): Promise<RestAdapter> {
  const closers: (() => Promise<void>)[] = [];
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= closeAll(closers));
  try {
    return await begin(env, fatal, replace, closers, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function begin(
  env: Environment,
  fatal: (error: Error) => void,
  replace: Replacements,
  closers: (() => Promise<void>)[],
  close: () => Promise<void>,
): Promise<RestAdapter> {
  const settings = loadSettings(RestSettings, env);
  const adminKey = await fromSetting('ADMIN_API_KEY', () => checkedAdminKey(settings.ADMIN_API_KEY));
  const hash = await fromSetting('IDENTIFIER_KEY', () => new KeyedHash(settings.IDENTIFIER_KEY));
  const sealer = await fromSetting('SEALING_PUBLIC_KEYS', () => Sealer.fromKeySet(settings.SEALING_PUBLIC_KEYS));
  const logger = replace.logger ?? createLogger(NAME, settings.LOG_LEVEL);

  const broker = replace.broker ?? openBroker(settings);
  if (replace.broker === undefined) closers.push(() => broker.close());
  await broker.ensureTopics([TOPICS.requests, TOPICS.subjectCommands, TOPICS.directoryCommands, TOPICS.directory]);
  const bus = await BusClient.open({ broker, owner: NAME, onFatal: fatal });
  closers.push(() => bus.close());
  const directory = await DirectoryCopy.follow(broker, fatal);
  closers.push(() => directory.close());
  const health = new Health().add('broker', () => broker.healthy()).add('directory', () => directory.ready());

  const adapter = createAdapter();
  const routes = guardEdge(adapter, new Authenticator(adminKey, directory, new SystemClock()), logger);
  const timeout = { milliseconds: settings.REPLY_TIMEOUT_MS };
  const module = RestAdapterModule.with({ bus, hash, sealer, health, timeout });
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    logger: new NestLogger(logger),
    abortOnError: false,
    bodyParser: false,
  });
  app.useGlobalFilters(new ProblemFilter(logger));
  const urls: Record<string, string> = {};
  if (replace.ops !== false) {
    const ops = await OpsServer.start(settings.HOST, settings.OPS_PORT, new Map([[NAME, health]]));
    closers.push(() => ops.close());
    urls['ops'] = ops.url;
  }
  closers.push(() => app.close());
  await app.listen(settings.REST_PORT, settings.HOST);
  const { port } = app.getHttpServer().address() as AddressInfo;
  urls['rest'] = `http://${settings.HOST}:${port}`;
  return { name: NAME, urls, health, routes, close };
}

/** The last one opened closes first: the port before the bus that its requests still need. */
async function closeAll(closers: (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (let next = closers.pop(); next !== undefined; next = closers.pop()) {
    await next().catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}

function openBroker(settings: RestSettings): Broker {
  if (settings.KAFKA_BROKERS === undefined) {
    throw new ServiceError(
      'SETTINGS_INVALID',
      'These settings are missing or wrong:\n  KAFKA_BROKERS is missing: a service that runs alone needs the Kafka ' +
        'brokers; without them run everything in one process with npm start',
      false,
    );
  }
  return createBroker({
    brokers: settings.KAFKA_BROKERS.split(',').map((broker) => broker.trim()),
    clientId: NAME,
    topicPrefix: settings.TOPIC_PREFIX,
  });
}
