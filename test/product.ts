import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureSecretFiles } from '@countersign/installation';
import { type DatabaseTls } from '@countersign/persistence';
import { createTestDatabase } from '@countersign/testing';
import { Program, type Ended } from './program.js';

export const SERVICES = [
  'directory',
  'verification',
  'rate-limit',
  'audit',
  'log-signer',
  'webhooks',
  'rest-adapter',
  'swaig-adapter',
] as const;
export type ServiceName = (typeof SERVICES)[number];

/** The product under test: its addresses, and how to stop it. The addresses change when it is started again. */
export interface Product {
  readonly adminKey: string;
  swaigUrls(): readonly string[];
  restUrls(): readonly string[];
  auditUrls(): readonly string[];
  opsUrls(): readonly string[];
  /** Everything that any of its processes has printed since the first start. */
  logs(): string;
  /** Stops every process with SIGTERM. The data remains. @returns how each ended */
  terminate(): Promise<readonly Ended[]>;
  /** Starts it again on the same data. */
  startAgain(): Promise<void>;
  /** Ends every process that still runs, and removes the data. */
  remove(): Promise<void>;
}

export interface EmbeddedProduct extends Product {
  readonly dataDir: string;
}

/** One process of a service. */
export interface Copy {
  readonly service: ServiceName;
  readonly program: Program;
  /** Empty until it is ready. */
  readonly urls: Readonly<Record<string, string>>;
}

export interface SeparateProduct extends Product {
  /** The database for the tests themselves, without the proxy that the services may use. */
  readonly databaseUrl: string;
  readonly brokers: readonly string[];
  readonly topicPrefix: string;
  /** The copies that run, including those that are not ready yet. */
  running(service: ServiceName): readonly Copy[];
  /** Starts one more copy without waiting until it is ready. Its own settings may make it die early. */
  startCopy(service: ServiceName, env?: Readonly<Record<string, string>>): Copy;
  /** Starts one more copy and returns when it is ready. */
  addCopy(service: ServiceName, env?: Readonly<Record<string, string>>): Promise<Copy>;
  /** Removes and returns the copies that have ended on their own since the last call, neither stopped nor killed. */
  takeEndedCopies(): readonly Copy[];
  /** Stops one copy with SIGTERM; `startAgain` does not start it again. @returns how it ended */
  stopCopy(copy: Copy): Promise<Ended>;
  /** Kills a copy of a service, which runs no handler of its own then. */
  kill(service: ServiceName, copy?: number): Promise<void>;
  /** Starts a copy again that has ended. */
  restart(service: ServiceName, copy?: number): Promise<void>;
}

/** After this time a group takes the partitions of a silent member away, in milliseconds. */
export const SHORT_SESSION_MS = 3_000;
/** For products with killed processes: with the default, their groups would wait 10 s for each dead member. */
export const SHORT_SESSIONS = { GROUP_SESSION_TIMEOUT_MS: String(SHORT_SESSION_MS) };

const EVERY_SERVICE = {
  HOST: '127.0.0.1',
  LOG_LEVEL: 'info',
  OPS_PORT: '0',
  SWAIG_PORT: '0',
  REST_PORT: '0',
  AUDIT_PORT: '0',
};

/**
 * The whole product in one process, over its own database and bus, in a new folder.
 * @param more settings in addition to those of every test
 */
export async function startEmbedded(more: Readonly<Record<string, string>> = {}): Promise<EmbeddedProduct> {
  const folder = await temporaryFolder();
  const dataDir = join(folder, 'data');
  const adminKey = newAdminKey();
  const programs: Program[] = [];
  let urls: Readonly<Record<string, string>> = {};
  const start = async (): Promise<void> => {
    const env = { ...EVERY_SERVICE, DATA_DIR: dataDir, ADMIN_API_KEY: adminKey, DEMO: 'false', ...more };
    const program = Program.start('all-in-one', env);
    programs.push(program);
    urls = await program.ready();
  };
  const terminate = (): Promise<readonly Ended[]> => stopAll(programs.slice(-1));
  const remove = async (): Promise<void> => {
    await terminate().finally(() => rm(folder, { recursive: true, force: true }));
  };
  await start().catch((error: unknown) => removeAndThrow(remove, error));
  const at = (purpose: string) => () => [urls[purpose] ?? ''];
  const logs = (): string => programs.map(({ output }) => output).join('\n');
  return {
    ...{ adminKey, dataDir, logs, terminate, startAgain: start, remove },
    ...{ swaigUrls: at('swaig'), restUrls: at('rest'), auditUrls: at('audit'), opsUrls: at('ops') },
  };
}

interface OwnCopy extends Copy {
  program: Program;
  urls: Readonly<Record<string, string>>;
  /** Started after the others, so tests do not address it by its number. */
  readonly added: boolean;
}

/** Servers other than those of the test run. */
export interface ProductServers {
  readonly brokers: readonly string[];
  readonly topicPrefix: string;
  /** Of a superuser. */
  readonly databaseUrl: string;
  readonly databaseTls: DatabaseTls;
  /** More settings of a service, such as its credentials. */
  envOf(service: ServiceName): Readonly<Record<string, string>>;
}

export interface SeparateOptions {
  /** Of every service; default 1. */
  readonly copies?: number;
  /** Default: those of the test run. */
  readonly servers?: ProductServers;
  /** Default: the broker of the servers. */
  readonly brokers?: readonly string[];
  /** A superuser's; default: the database of the servers. */
  readonly postgresUrl?: string;
  /** A port through which the services reach PostgreSQL. Default: that of the server. */
  readonly postgresPort?: number;
  /** More settings for every service. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Every service as a process of its own, over a real Kafka and PostgreSQL, with topics and a database that no other test
 * uses.
 */
export async function startSeparate(options: SeparateOptions = {}): Promise<SeparateProduct> {
  const { servers } = options;
  const brokers = options.brokers ?? servers?.brokers ?? requiredEnv('TEST_KAFKA_BROKERS').split(',');
  const topicPrefix = servers?.topicPrefix ?? `e2e-${randomBytes(6).toString('hex')}.`;
  const folder = await temporaryFolder();
  const database = await createTestDatabase(options.postgresUrl ?? servers?.databaseUrl, servers?.databaseTls);
  const serviceUrl = new URL(database.url);
  if (options.postgresPort !== undefined) serviceUrl.port = String(options.postgresPort);
  const { values } = await ensureSecretFiles(join(folder, 'secrets'));
  const adminKey = newAdminKey();
  const env = {
    ...EVERY_SERVICE,
    ...values,
    ADMIN_API_KEY: adminKey,
    DATABASE_URL: serviceUrl.href,
    KAFKA_BROKERS: brokers.join(','),
    TOPIC_PREFIX: topicPrefix,
    LOG_SIGNER_STATE: join(folder, 'log-signer.state'),
    ...options.env,
  };
  const run = (service: ServiceName, more?: Readonly<Record<string, string>>): Program =>
    Program.start(service, { ...env, ...servers?.envOf(service), ...more });
  const past: Program[] = [];
  const copies: OwnCopy[] = [];
  const leave = (copy: Copy): void => {
    const at = copies.findIndex((one) => one === copy);
    if (at >= 0) past.push(...copies.splice(at, 1).map(({ program }) => program));
  };
  const begin = (service: ServiceName, more: Readonly<Record<string, string>> = {}): OwnCopy => {
    // Killed copies leave the list, because the matrix of kills starts hundreds.
    for (const dead of copies.filter(({ added, program }) => added && program.end?.signal === 'SIGKILL')) leave(dead);
    const copy: OwnCopy = { service, program: run(service, more), urls: {}, added: true };
    copies.push(copy);
    copy.program.ready().then(
      (urls) => (copy.urls = urls),
      () => undefined,
    );
    return copy;
  };
  const startAgain = async (): Promise<void> => {
    for (const { program } of copies.splice(0)) past.push(program);
    for (const service of SERVICES) {
      for (let copy = 0; copy < (options.copies ?? 1); copy++) {
        copies.push({ service, program: run(service), urls: {}, added: false });
      }
    }
    const started = await Promise.allSettled(copies.map(async (copy) => (copy.urls = await copy.program.ready())));
    for (const result of started) if (result.status === 'rejected') throw result.reason;
  };
  const terminate = (): Promise<readonly Ended[]> => stopAll(copies.map(({ program }) => program));
  const remove = async (): Promise<void> => {
    const steps = [terminate, database.drop, () => rm(folder, { recursive: true, force: true })];
    for (const step of steps) await step();
  };
  const the = (service: ServiceName, copy: number): OwnCopy => {
    const found = copies.filter((one) => one.service === service)[copy];
    if (!found) throw new Error(`There is no copy ${copy} of ${service}`);
    return found;
  };
  await startAgain().catch((error: unknown) => removeAndThrow(remove, error));
  const there = (): OwnCopy[] => copies.filter(({ added, program }) => !added || program.running);
  const at = (purpose: string) => () => there().flatMap(({ urls }) => urls[purpose] ?? []);
  return {
    ...{ adminKey, databaseUrl: database.url, brokers, topicPrefix, terminate, startAgain, remove },
    ...{ swaigUrls: at('swaig'), restUrls: at('rest'), auditUrls: at('audit'), opsUrls: at('ops') },
    logs: () => [...past, ...copies.map(({ program }) => program)].map(({ output }) => output).join('\n'),
    running: (service) => copies.filter((one) => one.service === service && one.program.running),
    startCopy: begin,
    addCopy: async (service, more) => {
      const copy = begin(service, more);
      copy.urls = await copy.program.ready();
      return copy;
    },
    stopCopy: async (copy) => {
      leave(copy);
      return copy.program.stop();
    },
    takeEndedCopies: () => {
      const deserters = copies.filter(({ program }) => typeof program.end?.code === 'number');
      for (const copy of deserters) leave(copy);
      return deserters;
    },
    kill: async (service, copy = 0) => {
      await the(service, copy).program.stop('SIGKILL');
    },
    restart: async (service, copy = 0) => {
      const one = the(service, copy);
      past.push(one.program);
      one.program = run(service);
      one.urls = await one.program.ready();
    },
  };
}

/** A setting of the test run, as `npm test` gives it. */
export function requiredEnv(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set: run the tests with npm test`);
  return value;
}

/** A folder that the account of an embedded database may enter. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-e2e-'));
  await chmod(folder, 0o755);
  return folder;
}

function newAdminKey(): string {
  return `csadmin_${randomBytes(24).toString('base64url')}`;
}

function stopAll(programs: readonly Program[]): Promise<readonly Ended[]> {
  return Promise.all(programs.map((program) => program.stop()));
}

async function removeAndThrow(remove: () => Promise<void>, error: unknown): Promise<never> {
  await remove().catch(() => undefined);
  throw error;
}
