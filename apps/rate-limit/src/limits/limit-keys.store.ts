import { type LimitCounter } from '@countersign/contracts';
import { Injectable } from '@nestjs/common';
import { KeyedHash } from '@countersign/crypto';
import { LRUCache } from 'lru-cache';
import { LimitKeyring, LimitKeys, type IdentifiedLimitKeys, type SubjectReference } from './limits.ports.js';

/** Cached names of agents and tenants, which are part of every request. */
const MAX_CACHED_NAMES = 10_000;

/** Names of counters: HMAC-SHA256 under a key of the installation, truncated to the size of a column. */
export class HashedLimitKeys extends LimitKeys {
  readonly #cachedNames = new LRUCache<string, string>({ max: MAX_CACHED_NAMES });

  constructor(private readonly hash: KeyedHash) {
    super();
  }

  override subjectKey({ tenant, subjectKind, subjectRef }: SubjectReference): string {
    return this.hash.subjectKey(tenant, subjectKind, subjectRef);
  }

  override key(tenant: string, counter: LimitCounter): string {
    const { dimension, channel, kind, value } = counter;
    if (dimension !== 'agent' && dimension !== 'tenant') {
      // The subjects of a caller are stored in the caller's row.
      return this.#uuid(dimension === 'subjectsPerCaller' ? 'caller' : dimension, tenant, channel, kind, value);
    }
    const name = JSON.stringify([tenant, dimension, channel, kind, value]);
    const cached = this.#cachedNames.get(name);
    if (cached !== undefined) return cached;
    const hashed = this.#uuid(dimension, tenant, channel, kind, value);
    this.#cachedNames.set(name, hashed);
    return hashed;
  }

  override command(tenant: string, commandId: string): string {
    return this.hash.limitCommand(tenant, commandId);
  }

  override member({ tenant, subjectKind, subjectRef }: SubjectReference): string {
    return this.hash.limitMember(tenant, subjectKind, subjectRef);
  }

  /** Hashes every part as a field of its own, so no value can imitate another kind or channel. */
  #uuid(...parts: readonly string[]): string {
    const hex = this.hash.hash('limit', ...parts);
    const groups = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)];
    return groups.join('-');
  }
}

/** One for each key of the setting. */
@Injectable()
export class HashedLimitKeyring extends LimitKeyring {
  override readonly each: LimitKeyring['each'];

  constructor(hash: KeyedHash) {
    super();
    const [first, ...others] = hash.singleKeys.map((one): IdentifiedLimitKeys => ({
      keyId: one.keyId,
      keys: new HashedLimitKeys(one.hash),
    }));
    this.each = [first as IdentifiedLimitKeys, ...others];
  }
}
