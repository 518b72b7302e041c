import {
  AgentCreateRequested,
  AgentChangeRequested,
  AgentRotateRequested,
  DEAD_LETTERS,
  TenantChangeRequested,
  TOPICS,
} from '@countersign/contracts';
import { Host, type FatalHandler, type HostedService, type StartReplacements } from '@countersign/hosting';
import { createBusApp } from '@countersign/messaging';
import { NestLogger } from '@countersign/observability';
import { PostgresDeliveries } from '@countersign/persistence';
import { parseSetting, loadSettings, type Environment } from '@countersign/runtime';
import { Directory1764000000003 } from '../migrations/1764000000003-directory.js';
import { DirectoryDeliveries1764000100003 } from '../migrations/1764000100003-deliveries.js';
import { DirectoryTenantRows1764000700003 } from '../migrations/1764000700003-tenant-rows.js';
import { DirectorySettings, readInstancePolicy } from './directory.settings.js';
import { DirectoryModule } from './tenants/directory.module.js';
import { DEFAULT_POLICY } from './policies/effective-policy.decision.js';
import { ManageDirectory } from './tenants/manage-directory.use-case.js';
import { PostgresDirectoryStore } from './tenants/directory.store.js';

/** How often a start looks whether everything is published, in milliseconds. */
const PUBLISHED_POLL_MS = 10;

/** Starts the directory. @throws ServiceError SETTINGS_INVALID, BROKER_UNAVAILABLE, DATABASE_UNAVAILABLE */
export async function start(
  env: Environment,
  fatal: FatalHandler,
  replace: StartReplacements = {},
): Promise<HostedService> {
  const settings = loadSettings(DirectorySettings, env);
  const instance = await parseSetting('POLICY_FILE', () => readInstancePolicy(settings.POLICY_FILE));
  const topics = [TOPICS.directoryCommands, TOPICS.directory, TOPICS.facts, DEAD_LETTERS];
  const host = await Host.open('directory', settings, topics, fatal, replace);
  const database = await host.database(
    'directory',
    [Directory1764000000003, DirectoryDeliveries1764000100003, DirectoryTenantRows1764000700003],
    settings,
  );
  const relay = host.relay(database);
  const store = new PostgresDirectoryStore(database, () => relay.wake());
  const directory = new ManageDirectory(store, [DEFAULT_POLICY, instance]);
  await store.publishAll((view) => directory.entries(view));
  // Whoever follows the directory from here on finds all of it, also on a bus that begins empty with every process.
  while ((await relay.pending()) > 0) await new Promise((resolve) => setTimeout(resolve, PUBLISHED_POLL_MS));
  const app = await createBusApp(DirectoryModule.with(directory), {
    broker: host.broker,
    group: 'directory',
    deliveries: new PostgresDeliveries(database),
    messages: [TenantChangeRequested, AgentCreateRequested, AgentRotateRequested, AgentChangeRequested],
    logger: new NestLogger(host.logger),
    onFatal: fatal,
    observe: host.observe,
  });
  host.onClose(() => app.close());
  await app.listen();
  return host.started();
}
