import { randomUUID } from 'node:crypto';
import { type INestMicroservice } from '@nestjs/common';
import {
  message,
  requiresSignature,
  TenantErased,
  type ErasingService,
  type TenantDeletionStarted,
} from '@countersign/contracts';
import { DirectoryCache } from '@countersign/directory-cache';
import { HttpListener, OpsServer } from '@countersign/http-listener';
import {
  BusClient,
  createBusApp,
  toRecord,
  type Broker,
  type BusAppOptions,
  type RecordOutcome,
  type RootModule,
} from '@countersign/messaging';
import {
  createLogger,
  failCurrentSpan,
  Health,
  METRICS,
  NestLogger,
  type Logger,
  type Tracer,
} from '@countersign/observability';
import {
  Inbox,
  openDatabase,
  openReader,
  OutboxRelay,
  type OutboxRelayOptions,
  PostgresDeliveries,
  schemaFaults,
  type Database,
  type DatabaseOptions,
  type ReaderRole,
} from '@countersign/persistence';
import { type ReceiptPublicKeys } from '@countersign/crypto';
import { runEvery, ServiceError, type RunningService } from '@countersign/runtime';
import { databaseTls } from './connection-security.js';
import { ObservedBroker } from './observed-broker.js';
import { openBroker } from './open-broker.js';
import { exposeOutboxStats } from './outbox-stats.js';
import { topicsOf, type ServiceNeeds } from './service-needs.js';
import { type BusSettings, type InboxSettings, type StoreSettings } from './settings.js';
import { tracerOf } from './tracing.js';

/** How long a record waits in the outbox for others, in milliseconds: audit then stores many facts in one statement. */
const RELAY_LINGER_MS = 150;

/** A reader does one thing at a time. */
const READER_POOL_SIZE = 2;

/** How often old ids of commands are removed, in milliseconds. */
const PURGE_INBOX_MS = 3_600_000;
const DAY_SECONDS = 86_400;

/** Pause between two runs of the erasure of tenants, in milliseconds. */
const ERASURE_PAUSE_MS = 250;

/** Shortest time between two log lines about forged replies, in milliseconds. The metric counts every one. */
const UNPROVEN_REPLY_LOG_PAUSE_MS = 60_000;

/** Resources that a test or the all-in-one process provides instead of those that a service opens itself. */
export interface StartReplacements {
  /** A shared bus; the service does not close it. */
  readonly broker?: Broker;
  readonly logger?: Logger;
  /** `false`: no port of its own for health and metrics; the process has one for all. */
  readonly ops?: false;
  /** Address of the port for operators of the process, once it is open. */
  readonly opsUrl?: () => string | undefined;
}

/** A running service with its health, for a process that holds several. */
export interface HostedService extends RunningService {
  readonly health: Health;
}

/** Stops the process gracefully after a fault that only a restart can repair. */
export type FatalHandler = (error: Error) => void;

/** The resources of a service: logger, bus, database. Closes them in the reverse order of opening. */
export class Host {
  readonly health = new Health();
  readonly #closers: (() => Promise<void>)[] = [];
  #closing: Promise<void> | undefined;

  private constructor(
    readonly name: string,
    private readonly settings: BusSettings,
    readonly logger: Logger,
    readonly broker: Broker,
    /** Opens ports with the limits and certificates of the settings. */
    readonly listener: HttpListener,
    /** Undefined: spans are not recorded. */
    readonly tracer: Tracer | undefined,
    readonly fatal: FatalHandler,
    private readonly replace: StartReplacements,
  ) {}

  /**
   * Opens what every service has and then what this one adds. When a step fails, everything that was opened is closed.
   * @throws ServiceError SETTINGS_INVALID, BROKER_UNAVAILABLE, and what `run` throws
   */
  static async start<T extends HostedService>(
    { name, bus }: Pick<ServiceNeeds, 'name' | 'bus'>,
    settings: BusSettings,
    fatal: FatalHandler,
    replace: StartReplacements,
    run: (host: Host) => Promise<T>,
  ): Promise<T> {
    const logger = replace.logger?.child({ service: name }) ?? createLogger(name, settings.LOG_LEVEL);
    const listener = await HttpListener.open(name, settings, logger);
    const opened = replace.broker ?? openBroker(name, settings, logger);
    const tracer = await tracerOf(name, settings);
    const broker = new ObservedBroker(opened, name, tracer);
    const host = new Host(name, settings, logger, broker, listener, tracer, fatal, replace);
    host.onClose(listener.watch());
    if (tracer) host.onClose(() => tracer.close());
    if (!replace.broker) host.onClose(() => broker.close());
    host.health.add('broker', () => broker.healthy());
    try {
      await broker.ensureTopics(topicsOf(bus));
      return await run(host);
    } catch (error) {
      await host.close().catch(() => undefined);
      throw error;
    }
  }

  /** Steps run in reverse order. All run, even when one fails. */
  onClose(step: () => Promise<void>): void {
    this.#closers.push(step);
  }

  /**
   * Runs work at an interval until the host closes; the close waits for a run in progress.
   * @param failure logged with the error of a failed run
   */
  every(intervalMs: number, failure: string, work: () => Promise<unknown>): void {
    this.onClose(runEvery(intervalMs, work, (error) => this.logger.warn({ err: error }, `${failure}; will retry`)));
  }

  /** Publishes counts at an interval, and what remains when the host closes. Work opened later closes before. */
  flushEvery(intervalMs: number, failure: string, flush: () => Promise<void>): void {
    this.onClose(() => flush().catch((error: unknown) => this.logger.warn({ err: error }, failure)));
    this.every(intervalMs, failure, flush);
  }

  /**
   * Erases the data of tenants that are being deleted, and reports each to the directory until it removes the tenant.
   * @param erase erases a part in a short time, and returns true when nothing remains; a tenant that failed is tried again
   */
  eraseTenants(
    service: ErasingService,
    directory: DirectoryCache,
    erase: (deletion: TenantDeletionStarted) => Promise<boolean>,
  ): void {
    const eraseAndReport = async (deletion: TenantDeletionStarted): Promise<void> => {
      if (!(await erase(deletion))) return;
      const { tenant, createdAt } = deletion;
      const report = message(TenantErased, { commandId: `erased-${randomUUID()}`, tenant, createdAt, service });
      await this.broker.send([toRecord({ message: report })]);
    };
    this.every(ERASURE_PAUSE_MS, 'a deleted tenant was not erased', async () => {
      // One tenant must not keep the others from being erased.
      const results = await Promise.allSettled(directory.deletions().map(eraseAndReport));
      for (const result of results) if (result.status === 'rejected') throw result.reason;
    });
  }

  /** @throws ServiceError SETTINGS_INVALID, DATABASE_UNAVAILABLE */
  async database(
    store: NonNullable<ServiceNeeds['store']>,
    settings: StoreSettings,
    entities: DatabaseOptions['entities'] = [],
  ): Promise<Database> {
    const options = this.#databaseOptions(settings);
    const database = await this.#opened(openDatabase({ ...options, ...store, entities }));
    const [fault] = await schemaFaults(database, store.schema);
    // A service whose role lacks a right fails later; one without row-level security could show rows of other tenants.
    if (fault) throw new ServiceError('DATABASE_UNAVAILABLE', `${fault.problem}: ${fault.cure}`, false);
    return database;
  }

  /** Tables of another service, for reading. @throws ServiceError as `openReader` */
  reader(reader: ReaderRole, settings: StoreSettings): Promise<Database> {
    const options = this.#databaseOptions(settings);
    return this.#opened(
      openReader({ ...options, poolSize: Math.min(READER_POOL_SIZE, settings.DATABASE_POOL_SIZE) }, reader),
    );
  }

  #databaseOptions(settings: StoreSettings): Parameters<typeof openReader>[0] {
    return {
      url: settings.DATABASE_URL.reveal(),
      tls: databaseTls(settings),
      poolSize: settings.DATABASE_POOL_SIZE,
      applicationName: `countersign ${this.name}`,
    };
  }

  async #opened(opening: Promise<Database>): Promise<Database> {
    const database = await opening;
    this.onClose(() => database.close());
    if (database.role === undefined) {
      this.logger.warn(
        { schema: database.schema },
        'this service has all rights of its database login: create its role as docs/operations.md describes',
      );
    }
    this.health.add('database', () => database.healthy());
    return database;
  }

  /** Removes ids of commands from the inbox when Kafka can no longer deliver them again. */
  purgeInbox(
    database: ConstructorParameters<typeof Inbox>[0],
    { INBOX_DAYS }: Pick<InboxSettings, 'INBOX_DAYS'>,
  ): void {
    const inbox = new Inbox(database);
    this.every(PURGE_INBOX_MS, 'old ids of commands could not be removed', () => inbox.purge(INBOX_DAYS * DAY_SECONDS));
  }

  /**
   * Publishes the outbox of a database from now on.
   * @param options a source other than the outbox; how long a record waits for others
   */
  relay(database: Database, options: Pick<OutboxRelayOptions, 'source' | 'lingerMs'> = {}): OutboxRelay {
    const relay = new OutboxRelay({
      database,
      send: (records) => this.broker.send(records),
      lingerMs: RELAY_LINGER_MS,
      ...options,
      onError: (error) => this.logger.warn({ err: error }, 'publishing the outbox failed; retrying'),
    });
    relay.start();
    const hide = exposeOutboxStats(this.name, () => relay.backlog());
    this.onClose(() => relay.close().finally(hide));
    return relay;
  }

  /**
   * Opens a client that sends requests over the bus. It drops replies of verification without a valid signature or MAC.
   * @param keys that verify the signatures
   * @throws ServiceError BROKER_UNAVAILABLE
   */
  async client(keys: ReceiptPublicKeys): Promise<BusClient> {
    const service = this.name;
    let nextLogAt = 0;
    const warn = (): void => {
      if (performance.now() < nextLogAt) return;
      nextLogAt = performance.now() + UNPROVEN_REPLY_LOG_PAUSE_MS;
      this.logger.warn(
        'a reply without a valid signature or MAC was dropped: compare RECEIPT_PUBLIC_KEYS with RECEIPT_KEYS',
      );
    };
    METRICS.unprovenReplies.inc({ service }, 0);
    METRICS.replyTimeouts.inc({ service }, 0);
    METRICS.lateReplies.inc({ service }, 0);
    const client = await BusClient.open({
      broker: this.broker,
      owner: this.name,
      proof: { isRequired: requiresSignature, isValid: (text, signature) => keys.isAnswer(text, signature) },
      onFatal: this.fatal,
      observe: (event) => {
        switch (event.kind) {
          case 'answered':
            return METRICS.replies.observe({ service }, event.seconds);
          case 'timed_out':
            return METRICS.replyTimeouts.inc({ service });
          case 'late_reply':
            return METRICS.lateReplies.inc({ service });
          case 'unproven_reply':
            warn();
            return METRICS.unprovenReplies.inc({ service });
        }
      },
    });
    const hide = METRICS.pendingRequests.read(() => [{ labels: { service }, value: client.waiting }]);
    this.onClose(() => client.close().finally(hide));
    return client;
  }

  /** Counts the results of records and marks their spans. `busApp` calls it; other consumers call it themselves. */
  readonly observe = ({ group, topic, outcome, code }: RecordOutcome): void => {
    const labels = { service: this.name, group, topic, outcome };
    METRICS.records.inc(labels);
    if (code === undefined) return;
    METRICS.failures.inc({ ...labels, code });
    failCurrentSpan(code);
  };

  /** A Nest application with handlers of messages, until the host closes. It consumes nothing until its `listen`. */
  async busApp(
    module: RootModule,
    database: Database,
    options: Pick<BusAppOptions, 'group' | 'messages' | 'slow' | 'maxInFlight' | 'gatherMs' | 'sign'>,
  ): Promise<INestMicroservice> {
    const app = await createBusApp(module, {
      ...{ broker: this.broker, deliveries: new PostgresDeliveries(database), logger: new NestLogger(this.logger) },
      ...{ onFatal: this.fatal, observe: this.observe },
      ...options,
    });
    this.onClose(() => app.close());
    return app;
  }

  /** A complete, live cache of the directory. @throws ServiceError BROKER_UNAVAILABLE */
  async directory(): Promise<DirectoryCache> {
    const cache = await DirectoryCache.follow(this.broker, this.name, this.fatal);
    this.onClose(() => cache.close());
    this.health.add('directory', () => cache.ready());
    return cache;
  }

  /** Opens the port for operators last, so `/health/ready` does not answer before the service is ready. */
  async started(urls: Readonly<Record<string, string>> = {}): Promise<HostedService> {
    let opsUrl: Record<string, string> = {};
    if (this.replace.ops !== false) {
      const healths = new Map([[this.name, this.health]]);
      const ops = await OpsServer.start(this.listener, healths);
      this.onClose(() => ops.close());
      opsUrl = { ops: ops.url };
    }
    const up = (): number => (this.health.report().status === 'ok' ? 1 : 0);
    const hide = METRICS.up.read(() => [{ labels: { service: this.name }, value: up() }]);
    this.onClose(() => Promise.resolve(hide()));
    const all = { ...urls, ...opsUrl };
    if (this.replace.ops !== false) this.logger.info({ urls: all }, 'ready');
    return { name: this.name, urls: all, health: this.health, close: () => this.close() };
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<void> {
    let failure: Error | undefined;
    for (const step of this.#closers.reverse()) {
      try {
        await step();
      } catch (error) {
        this.logger.error({ err: error }, 'a step of the stop failed');
        failure ??= error as Error;
      }
    }
    if (failure) throw failure;
  }
}
