import { type LimitCounter } from '@countersign/contracts';
import { type KeyedHash } from '@countersign/crypto';
import { LimitKeys, type SubjectReference } from './limits.ports.js';

/** Names of agents and tenants that are kept, because they come with every request. */
const MOST_KEPT = 10_000;

/** Names of keys as HMAC-SHA256 under the installation's own key, cut to what a row needs. */
export class HashedLimitKeys extends LimitKeys {
  readonly #kept = new Map<string, string>();

  constructor(private readonly hash: KeyedHash) {
    super();
  }

  override subjectKey({ tenant, subjectKind, subjectRef }: SubjectReference): string {
    return this.hash.subjectKey(tenant, subjectKind, subjectRef);
  }

  override key(tenant: string, counter: LimitCounter): string {
    const { dimension, channel, kind, value } = counter;
    if (dimension !== 'agent' && dimension !== 'tenant') {
      // A caller's row holds its subjects too.
      return this.#uuid(dimension === 'subjectsPerCaller' ? 'caller' : dimension, tenant, channel, kind, value);
    }
    const name = JSON.stringify([tenant, dimension, channel, kind, value]);
    const kept = this.#kept.get(name) ?? this.#uuid(dimension, tenant, channel, kind, value);
    if (this.#kept.size >= MOST_KEPT) this.#kept.clear();
    this.#kept.set(name, kept);
    return kept;
  }

  override command(tenant: string, commandId: string): string {
    return this.hash.limitCommand(tenant, commandId);
  }

  override member({ tenant, subjectKind, subjectRef }: SubjectReference): string {
    return this.hash.limitMember(tenant, subjectKind, subjectRef);
  }

  /** Each part is a field of its own under the hash, so that no value can spell another kind or another channel. */
  #uuid(...parts: readonly string[]): string {
    const hex = this.hash.hash('limit', ...parts);
    const groups = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)];
    return groups.join('-');
  }
}
