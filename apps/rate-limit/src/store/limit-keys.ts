import { type GuessDescribed, type LimitDimension } from '@countersign/contracts';
import { type KeyedHash } from '@countersign/sealing';
import { LimitKeys } from '../ports.js';

/** Names of agents and tenants that are kept, because they come with every request. */
const MOST_KEPT = 10_000;

/** Names of keys as HMAC-SHA256 under the installation's own key, cut to what a row needs. */
export class HashedLimitKeys extends LimitKeys {
  readonly #kept = new Map<string, string>();

  constructor(private readonly hash: KeyedHash) {
    super();
  }

  override subjectKey({
    tenant,
    subjectKind,
    subjectRef,
  }: Pick<GuessDescribed, 'tenant' | 'subjectKind' | 'subjectRef'>): string {
    return this.hash.subjectKey(tenant, subjectKind, subjectRef);
  }

  override key(dimension: LimitDimension, tenant: string, target: string): string {
    // A caller's row holds its subjects too.
    const of = dimension === 'subjectsPerCaller' ? 'caller' : dimension;
    if (of !== 'agent' && of !== 'tenant') return this.#uuid(of, tenant, target);
    const name = `${of}:${tenant}:${target}`;
    const kept = this.#kept.get(name) ?? this.#uuid(of, tenant, of === 'tenant' ? tenant : target);
    if (this.#kept.size >= MOST_KEPT) this.#kept.clear();
    this.#kept.set(name, kept);
    return kept;
  }

  override short(purpose: 'command' | 'member', tenant: string, value: string): string {
    return this.hash.short(`limit ${purpose}`, tenant, value);
  }

  #uuid(of: string, tenant: string, target: string): string {
    const hex = this.hash.hash(`limit ${of}`, tenant, target);
    const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)];
    return parts.join('-');
  }
}
