import { Host, StatsQuery, type FatalHandler, type HostedService, type StartReplacements } from '@countersign/hosting';
import { METRICS } from '@countersign/observability';
import { loadSettings, type Environment } from '@countersign/runtime';
import { AGENT_MESSAGES } from './agents/agents.handler.js';
import { API_KEY_MESSAGES } from './api-keys/api-keys.handler.js';
import { followCaches } from './caches/follow-caches.js';
import { ChangeDirectory } from './change-directory.use-case.js';
import { DirectoryModule } from './directory.module.js';
import { DIRECTORY_ENTITIES } from './directory.store.js';
import { NEEDS, readPolicyFile } from './needs.js';
import { OPERATOR_SESSION_MESSAGES } from './operator-sessions/operator-sessions.handler.js';
import { OperatorSessionStore } from './operator-sessions/operator-sessions.ports.js';
import { POLICY_MESSAGES } from './policies/policies.handler.js';
import { PublishedEntries } from './policies/published-entries.js';
import { TENANT_MESSAGES } from './tenants/tenants.handler.js';

/** How often the start checks that the outbox is empty, in milliseconds. */
const OUTBOX_POLL_MS = 10;
/** How often sessions that have ended are removed and counted, in milliseconds. */
const PURGE_SESSIONS_MS = 30_000;

/** Starts the directory. @throws ServiceError SETTINGS_INVALID, BROKER_UNAVAILABLE, DATABASE_UNAVAILABLE */
export async function start(
  env: Environment,
  fatal: FatalHandler,
  replace: StartReplacements = {},
): Promise<HostedService> {
  const settings = loadSettings(NEEDS.settings, env);
  const installationPolicy = await readPolicyFile(settings);
  return Host.start(NEEDS, settings, fatal, replace, async (host) => {
    const database = await host.database(NEEDS.store, settings, DIRECTORY_ENTITIES);
    // Without linger: the answer to a command waits until its change is published.
    const relay = host.relay(database, { lingerMs: 0 });
    const { caches, follower } = await followCaches(host.broker, host.logger, fatal);
    host.onClose(() => follower.close());
    const entries = new PublishedEntries(installationPolicy, (invalid) =>
      host.logger.error(invalid, 'agents are removed from all caches: a stored policy has become invalid'),
    );
    const app = await host.busApp(DirectoryModule.with({ database, relay, entries, caches }), database, {
      group: 'directory',
      messages: [
        ...[...TENANT_MESSAGES, ...AGENT_MESSAGES, ...API_KEY_MESSAGES, ...POLICY_MESSAGES],
        ...OPERATOR_SESSION_MESSAGES,
      ],
    });
    // The in-process bus starts empty, so a service that starts after this one must find the whole directory published.
    await app.get(ChangeDirectory).publishAll();
    while ((await relay.pending()) > 0) await new Promise((resolve) => setTimeout(resolve, OUTBOX_POLL_MS));
    host.purgeInbox(database, settings);
    keepSessions(host, app.get(OperatorSessionStore));
    await app.listen();
    return host.started();
  });
}

/** Removes the sessions of operators that have ended, and shows how many are open. */
function keepSessions(host: Host, sessions: OperatorSessionStore): void {
  host.every(PURGE_SESSIONS_MS, 'ended sessions of operators could not be removed', () => sessions.purge());
  const open = new StatsQuery(() => sessions.count(), NaN);
  const hide = METRICS.operatorSessions.read(async () => [{ labels: {}, value: await open.read() }]);
  host.onClose(() => Promise.resolve(hide()));
}
