import { Injectable } from '@nestjs/common';
import { CommandAnswered, message, type Actor } from '@countersign/contracts';
import { agentResource, tenantResource } from './directory-resources.decision.js';
import { DirectoryCaches, DirectoryStore, type DirectoryChange, type TenantSnapshot } from './directory.ports.js';
import { InvalidChange, PublishedEntries } from './policies/published-entries.js';

type Answer = CommandAnswered['answer'];

/** What every command that changes the directory has in common. */
interface DirectoryCommand {
  readonly commandId: string;
  readonly actor: Actor;
  readonly tenant: string;
  /** Undefined: the command is about the tenant itself. */
  readonly agent?: string;
}

/** What a command decides: a change and its answer, or an answer alone. */
export interface CommandDecision {
  readonly answer: Answer;
  /** Undefined: nothing changes. */
  readonly change?: DirectoryChange;
  /** The resource afterwards. Undefined: there is none. */
  readonly body?: Readonly<Record<string, unknown>>;
}

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
   * actor of the command. Returns when the
   * caches of all services have applied the change, so that the next request finds it. A repeated command changes nothing
   * and gets the answer `updated` with the resource as it is now, if it exists.
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  async change(
    command: DirectoryCommand,
    decide: (snapshot: TenantSnapshot) => CommandDecision,
  ): Promise<CommandAnswered> {
    const { commandId, tenant, actor } = command;
    let decided: CommandDecision = { answer: 'updated' };
    const awaited = this.caches.expect(commandId);
    try {
      const result = await this.store.change(commandId, tenant, (snapshot) => {
        decided = decide(snapshot);
        return decided.change && { ...decided.change, fact: { ...decided.change.fact, actor } };
      });
      // Caches report a change with its last entry, so a change without entries is never reported.
      if (result === 'changed' && decided.change?.publish.length !== 0) await awaited.reported();
      if (result === 'taken') return message(CommandAnswered, { commandId, answer: 'taken' });
      const { answer } = decided;
      const body = result === 'repeated' ? await this.#resource(command) : decided.body;
      return message(CommandAnswered, { commandId, answer, ...(body && { body }) });
    } catch (error) {
      if (!(error instanceof InvalidChange)) throw error;
      return message(CommandAnswered, { commandId, answer: 'invalid', violations: [...error.violations] });
    } finally {
      awaited.end();
    }
  }

  async #resource({ tenant, agent }: DirectoryCommand): Promise<CommandDecision['body']> {
    if (agent === undefined) {
      const record = await this.store.tenant(tenant);
      return record && tenantResource(record);
    }
    const record = await this.store.agent(tenant, agent);
    return record && agentResource(record);
  }

  /** Publishes all tenants and agents again. @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  publishAll(): Promise<void> {
    return this.store.publishAll((snapshot) => this.entries.validEntriesOf(snapshot));
  }
}
