import { type FactKind, type Message, type SecretHash } from '@countersign/contracts';
import { type RawPolicy } from '../policies/effective-policy.decision.js';

export interface TenantRecord {
  readonly tenant: string;
  readonly name: string;
  readonly policy: RawPolicy;
}

export interface AgentRecord {
  readonly tenant: string;
  readonly agent: string;
  readonly name: string;
  readonly policy: RawPolicy;
  readonly passwords: readonly SecretHash[];
  readonly apiKeys: readonly SecretHash[];
}

/** A tenant as it stands, locked for the change. */
export interface TenantView {
  readonly tenant: TenantRecord | undefined;
  readonly agents: readonly AgentRecord[];
  /** Database time, ISO 8601. */
  readonly now: string;
}

/** What a change writes: rows, what is published of them, and the fact. */
export interface DirectoryChange {
  readonly tenant?: TenantRecord;
  readonly agents?: readonly AgentRecord[];
  readonly publish: readonly Message[];
  readonly fact: {
    readonly kind: FactKind;
    readonly agent?: string;
    readonly detail: Readonly<Record<string, string>>;
  };
}

/** Tenants, agents and policies. */
export abstract class DirectoryStore {
  /**
   * Runs `decide` on a locked tenant and writes what it returns, with the published entries and the fact, in one
   * transaction. `repeated`: this command was carried out before, and nothing was done now. `taken`: the agent's id
   * belongs to another tenant. `decide` returns undefined to change nothing.
   */
  abstract change(
    commandId: string,
    tenant: string,
    decide: (view: TenantView) => DirectoryChange | undefined,
  ): Promise<'changed' | 'unchanged' | 'repeated' | 'taken'>;

  /** Publishes everything anew: what the copies of the directory read when they start. */
  abstract publishAll(entries: (view: TenantView) => readonly Message[]): Promise<void>;
}
