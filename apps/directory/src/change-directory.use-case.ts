import { Injectable } from '@nestjs/common';
import { CommandAnswered, message } from '@countersign/contracts';
import { DirectoryCaches, DirectoryStore, type DirectoryChange, type TenantSnapshot } from './directory.ports.js';
import { InvalidChange, PublishedEntries } from './policies/published-entries.js';

type Answer = CommandAnswered['answer'];

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
   * Calls `decide` with the tenant locked, and publishes the change in the transaction that writes it. Returns when the
   * caches of all services have applied the change, so that the next request finds it. A repeated command changes nothing
   * and gets the answer `updated`.
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  async change(
    { commandId, tenant }: { readonly commandId: string; readonly tenant: string },
    decide: (snapshot: TenantSnapshot) => CommandDecision,
  ): Promise<CommandAnswered> {
    let decided: CommandDecision = { answer: 'updated' };
    const awaited = this.caches.expect(commandId);
    try {
      const result = await this.store.change(commandId, tenant, (snapshot) => {
        decided = decide(snapshot);
        return decided.change;
      });
      if (result === 'changed') await awaited.reported();
      if (result === 'taken') return message(CommandAnswered, { commandId, answer: 'taken' });
      const { answer, body } = decided;
      return message(CommandAnswered, { commandId, answer, ...(body && { body }) });
    } catch (error) {
      if (!(error instanceof InvalidChange)) throw error;
      return message(CommandAnswered, { commandId, answer: 'invalid', violations: [...error.violations] });
    } finally {
      awaited.end();
    }
  }

  /** Publishes all tenants and agents again. @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  publishAll(): Promise<void> {
    return this.store.publishAll((snapshot) => this.entries.validEntriesOf(snapshot));
  }
}
