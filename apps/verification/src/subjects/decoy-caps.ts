import { type Method } from '@countersign/contracts';
import { type Database } from '@countersign/persistence';
import { type Clock } from '@countersign/runtime';
import { LOWEST_CAP } from '../attempts/gate/attempt-counter.decision.js';

/** The maximum number of credentials of a tenant that are read, and of those with imported hashes. */
const SAMPLE = 10_000;
/** How long the shares of a tenant are cached, in milliseconds. */
const KEEP_MS = 300_000;
/** The maximum number of cached tenants; beyond it, the cache is emptied. */
const MOST_TENANTS = 1_000;

/** $1 tenant, $2 kind */
const SHARES = `
SELECT cap, hash_form, count(*)::int AS count
FROM (
  (
    SELECT cap, hash_form
    FROM verification.credentials
    WHERE tenant = $1 AND kind = $2 AND hash_form IS NULL
    LIMIT ${SAMPLE}
  )
  UNION ALL
  (
    SELECT cap, hash_form
    FROM verification.credentials
    WHERE tenant = $1 AND kind = $2 AND hash_form IS NOT NULL
    LIMIT ${SAMPLE}
  )
) sample
GROUP BY cap, hash_form
ORDER BY cap, hash_form NULLS FIRST`;

interface Share {
  readonly cap: number;
  readonly hash_form: string | null;
  readonly count: number;
}

/** What a decoy has in common with the credentials of its tenant. */
export interface DecoyTraits {
  readonly cap: number;
  /** As in `CredentialRow`. */
  readonly hashForm: string | undefined;
}

interface Kept {
  readonly shares: Promise<readonly Share[]>;
  readonly until: number;
}

/**
 * Chooses the number of failures after which a decoy seems to be disabled, and the form of its hash. PINs of 4, 5 and 6 digits have different caps, so
 * with one cap for all decoys, the attempt after it would reveal which subjects exist. An imported hash takes another time than
 * one that was made here. So each decoy gets cap and form of one of the tenant's credentials, always the same one while those do
 * not change. Together, decoys have the same shares.
 */
export class DecoyCaps {
  readonly #kept = new Map<string, Kept>();

  /** @param clock must not run backwards */
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * Call it for every reference, known or unknown, so a read from the database does not reveal which.
   * @param referenceKey keyed hash of the reference, so the traits of a decoy cannot be predicted
   * @throws ServiceError DATABASE_UNAVAILABLE
   */
  async of(tenant: string, method: Method, referenceKey: string): Promise<DecoyTraits> {
    const shares = await this.#shares(tenant, method);
    const all = shares.reduce((sum, { count }) => sum + count, 0);
    // 48 bits: enough for a sample of this size, and exact in a number.
    let place = Math.floor((Number.parseInt(referenceKey.slice(0, 12), 16) / 2 ** 48) * all);
    for (const { cap, hash_form: hashForm, count } of shares) {
      if (place < count) return { cap, hashForm: hashForm ?? undefined };
      place -= count;
    }
    return { cap: LOWEST_CAP, hashForm: undefined };
  }

  #shares(tenant: string, method: Method): Promise<readonly Share[]> {
    const name = `${method} ${tenant}`;
    const now = this.clock.now();
    const kept = this.#kept.get(name);
    if (kept && kept.until > now) return kept.shares;
    if (this.#kept.size >= MOST_TENANTS) this.#kept.clear();
    const shares = this.database.forTenants([tenant]).query<Share>(SHARES, [tenant, method]);
    this.#kept.set(name, { shares, until: now + KEEP_MS });
    // A failed read is not cached.
    shares.catch(() => this.#kept.delete(name));
    return shares;
  }
}
