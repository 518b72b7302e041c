import { type FactRecorded } from '@countersign/contracts';
import { type Clock } from '@countersign/service';
import { type CallState } from '../domain/call-state.js';
import { CallStore, Erasures, ReceiptStore, type PresentedReceipt } from '../ports.js';
import { type MemorySubjectStore } from './subject.memory-store.js';

/** The twin of the PostgreSQL store for tests of use cases, over what the memory of attempts has written. */
export class MemoryCallStore extends CallStore {
  constructor(
    private readonly calls: ReadonlyMap<string, CallState>,
    private readonly subjects: MemorySubjectStore,
    private readonly clock: Clock,
  ) {
    super();
  }

  override async find(tenant: string, callId: string): Promise<CallState | undefined> {
    const state = this.calls.get(`${tenant}/${callId}`);
    if (!state || Date.parse(state.expiresAt) <= this.clock.now()) return undefined;
    return (await this.subjects.find(tenant, 'id', state.subject)).id === undefined ? undefined : state;
  }
}

/** The same for receipts. */
export class MemoryReceiptStore extends ReceiptStore {
  readonly facts: FactRecorded[] = [];
  readonly #spent = new Map<string, string>();

  constructor(
    private readonly subjects: MemorySubjectStore,
    private readonly clock: Clock,
  ) {
    super();
  }

  override async isGood(receipt: PresentedReceipt): Promise<boolean> {
    return (await this.#holds(receipt)) && !this.#spent.has(`${receipt.tenant}/${receipt.jti}`);
  }

  override async consume(commandId: string, receipt: PresentedReceipt, fact: FactRecorded): Promise<boolean> {
    if (!(await this.#holds(receipt))) return false;
    const key = `${receipt.tenant}/${receipt.jti}`;
    const by = this.#spent.get(key);
    if (by !== undefined) return by === commandId;
    this.#spent.set(key, commandId);
    this.facts.push(fact);
    return true;
  }

  async #holds({ tenant, subject, expiresAt }: PresentedReceipt): Promise<boolean> {
    const known = (await this.subjects.find(tenant, 'id', subject)).id !== undefined;
    return known && expiresAt * 1000 > this.clock.now();
  }
}

/** The same for erasures. */
export class MemoryErasures extends Erasures {
  readonly #done = new Set<string>();

  constructor(
    private readonly subjects: MemorySubjectStore,
    private readonly calls: Map<string, CallState>,
  ) {
    super();
  }

  override erase(commandId: string, tenant: string, subject: string): Promise<boolean> {
    if (this.#done.has(commandId)) return Promise.resolve(true);
    if (!this.subjects.remove(tenant, subject)) return Promise.resolve(false);
    this.#done.add(commandId);
    for (const [key, state] of this.calls) {
      if (key.startsWith(`${tenant}/`) && state.subject === subject) this.calls.delete(key);
    }
    return Promise.resolve(true);
  }
}
