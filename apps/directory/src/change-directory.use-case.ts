import { Injectable } from '@nestjs/common';
import { arePreconditionsMet, CommandAnswered, message, type Actor, type Preconditions } from '@countersign/contracts';
import { agentResource, apiKeyResource, tenantResource, type Resource } from './directory-resources.decision.js';
import {
  DirectoryCaches,
  DirectoryStore,
  type AgentRecord,
  type DirectoryChange,
  type TenantRecord,
  type TenantSnapshot,
} from './directory.ports.js';
import { InvalidChange, PublishedEntries, RecentSignInRequired } from './policies/published-entries.js';

type Answer = CommandAnswered['answer'];

/** What every command that changes the directory has in common. */
interface DirectoryCommand {
  readonly commandId: string;
  /** Undefined: another service sent the command. */
  readonly actor?: Actor;
  readonly tenant: string;
  /** Undefined, like {@link keyId}: the command is about the tenant itself. */
  readonly agent?: string;
  readonly preconditions?: Preconditions;
  /** Set: the command is about this API key. */
  readonly keyId?: string;
}

/** What a command is about: the API key `keyId`, else the agent, else the tenant. */
type Target = Pick<DirectoryCommand, 'agent' | 'keyId'>;

/** What a command decides: a change and its answer, or an answer alone. */
export interface CommandDecision {
  readonly answer: Answer;
  /** Undefined: nothing changes. */
  readonly change?: DirectoryChange;
}

/** How a tenant, or an agent of it, is shown. */
export type View = (tenant: TenantRecord, agent?: AgentRecord) => Resource;

/** Thrown inside the store's transaction, which rolls back: a redelivered command compares again. */
class PreconditionFailed extends Error {}

/** Carries out one management command. */
@Injectable()
export class ChangeDirectory {
  constructor(
    private readonly store: DirectoryStore,
    private readonly entries: PublishedEntries,
    private readonly caches: DirectoryCaches,
  ) {}

  /**
   * Calls `decide` with the tenant locked, and publishes the change in the transaction that writes it. The fact names the
   * actor of the command. Returns when the caches of all services have applied the change, so that the next request finds
   * it. The answer has the resource as it is afterwards, if it exists. A repeated command changes nothing and gets the answer
   * `updated`.
   * While the tenant is being deleted, the answer is `deleting`, and `decide` is not called.
   * @param view how the resource is shown; the preconditions of the command are about the same view
   * @param belongsToDeletion the command is carried out while the tenant is being deleted, too
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  async change(
    command: DirectoryCommand,
    decide: (snapshot: TenantSnapshot) => CommandDecision,
    view: View = viewOf,
    belongsToDeletion = false,
  ): Promise<CommandAnswered> {
    const { commandId, tenant, actor } = command;
    let decided: CommandDecision = { answer: 'updated' };
    let body: Resource | undefined;
    const awaited = this.caches.expect(commandId);
    try {
      const result = await this.store.change(commandId, tenant, (snapshot) => {
        const before = shown(view, snapshot, command);
        const isMet = arePreconditionsMet(command.preconditions ?? {}, before);
        if (!isMet && before) throw new PreconditionFailed();
        const isRefused = snapshot.tenant?.deletion && !belongsToDeletion;
        decided = isRefused ? { answer: 'deleting' } : decide(snapshot);
        const { answer, change } = decided;
        // A missing resource is reported as missing, whatever the preconditions are (RFC 9110, section 13.2.1).
        if (!isMet && answer === 'created') throw new PreconditionFailed();
        if (answer === 'created' || answer === 'updated') body = shown(view, after(snapshot, change), command);
        return change?.fact && actor ? { ...change, fact: { ...change.fact, actor } } : change;
      });
      // Caches report a change with its last entry, so a change without entries is never reported.
      if (result === 'changed' && decided.change?.publish.length !== 0) await awaited.reported();
      if (result === 'taken') return message(CommandAnswered, { commandId, answer: 'taken' });
      if (result === 'repeated') body = await this.read(command, view);
      return message(CommandAnswered, { commandId, answer: decided.answer, ...(body && { body }) });
    } catch (error) {
      if (error instanceof PreconditionFailed) {
        return message(CommandAnswered, { commandId, answer: 'precondition_failed' });
      }
      if (error instanceof RecentSignInRequired) {
        return message(CommandAnswered, { commandId, answer: 'recent_sign_in_required' });
      }
      if (!(error instanceof InvalidChange)) throw error;
      return message(CommandAnswered, { commandId, answer: 'invalid', violations: [...error.violations] });
    } finally {
      awaited.end();
    }
  }

  /**
   * The resource of a command. Undefined: there is none.
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  async read(
    { tenant, agent, keyId }: Target & Pick<DirectoryCommand, 'tenant'>,
    view: View = viewOf,
  ): Promise<Resource | undefined> {
    if (keyId !== undefined) {
      const key = await this.store.apiKey(tenant, keyId);
      return key && apiKeyResource(key);
    }
    const record = await this.store.tenant(tenant);
    if (!record || agent === undefined) return record && view(record);
    const agentRecord = await this.store.agent(tenant, agent);
    return agentRecord && view(record, agentRecord);
  }

  /** Publishes all tenants, agents and API keys again. @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  publishAll(): Promise<void> {
    return this.store.publishAll((snapshot) => this.entries.validEntriesOf(snapshot));
  }
}

const viewOf: View = (tenant, agent) => (agent ? agentResource(agent) : tenantResource(tenant));

function shown(view: View, { tenant, agents, keys }: TenantSnapshot, { agent, keyId }: Target): Resource | undefined {
  if (keyId !== undefined) {
    const key = keys.find((one) => one.keyId === keyId);
    return key && apiKeyResource(key);
  }
  if (!tenant || agent === undefined) return tenant && view(tenant);
  const record = agents.find((one) => one.agent === agent);
  return record && view(tenant, record);
}

function after(snapshot: TenantSnapshot, change: DirectoryChange | undefined): TenantSnapshot {
  const { deletesTenant = false, tenant = snapshot.tenant } = change ?? {};
  return {
    ...snapshot,
    tenant: deletesTenant ? undefined : tenant,
    agents: replaced(snapshot.agents, change?.agents, change?.deletedAgents, ({ agent }) => agent),
    keys: replaced(snapshot.keys, change?.keys, change?.deletedKeys, ({ keyId }) => keyId),
  };
}

function replaced<T>(
  before: readonly T[],
  changed: readonly T[] = [],
  deleted: readonly string[] = [],
  idOf: (record: T) => string,
): T[] {
  const outdated = new Set([...deleted, ...changed.map(idOf)]);
  return [...before.filter((record) => !outdated.has(idOf(record))), ...changed];
}
