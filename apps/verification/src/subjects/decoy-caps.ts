import { type Method } from '@countersign/contracts';
import { type Database } from '@countersign/persistence';
import { type Clock } from '@countersign/runtime';
import { LOWEST_CAP } from '../attempts/attempt-counter.decision.js';

/** The maximum number of credentials of a tenant that are read. */
const SAMPLE = 10_000;
/** How long the caps of a tenant are cached, in milliseconds. */
const KEEP_MS = 300_000;
/** The maximum number of cached tenants; beyond it, the cache is emptied. */
const MOST_TENANTS = 1_000;

/** $1 tenant, $2 kind */
const CAPS = `
SELECT cap, count(*)::int AS count
FROM (
  SELECT cap
  FROM verification.credentials
  WHERE tenant = $1 AND kind = $2
  LIMIT ${SAMPLE}
) sample
GROUP BY cap
ORDER BY cap`;

interface Share {
  readonly cap: number;
  readonly count: number;
}

interface Kept {
  readonly shares: Promise<readonly Share[]>;
  readonly until: number;
}

/**
 * Chooses the number of failures after which a decoy seems to be disabled. PINs of 4, 5 and 6 digits have different caps, so
 * with one cap for all decoys, the attempt after it would reveal which subjects exist. Each decoy gets the cap of one of the
 * tenant's credentials, always the same one while those do not change. Together, decoys have the same shares of caps.
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
   * @param referenceKey keyed hash of the reference, so the cap of a decoy cannot be predicted
   * @throws ServiceError DATABASE_UNAVAILABLE
   */
  async of(tenant: string, method: Method, referenceKey: string): Promise<number> {
    const shares = await this.#shares(tenant, method);
    const all = shares.reduce((sum, { count }) => sum + count, 0);
    // 48 bits: enough for a sample of this size, and exact in a number.
    let place = Math.floor((Number.parseInt(referenceKey.slice(0, 12), 16) / 2 ** 48) * all);
    for (const { cap, count } of shares) {
      if (place < count) return cap;
      place -= count;
    }
    return LOWEST_CAP;
  }

  #shares(tenant: string, method: Method): Promise<readonly Share[]> {
    const name = `${method} ${tenant}`;
    const now = this.clock.now();
    const kept = this.#kept.get(name);
    if (kept && kept.until > now) return kept.shares;
    if (this.#kept.size >= MOST_TENANTS) this.#kept.clear();
    const shares = this.database.forTenants([tenant]).query<Share>(CAPS, [tenant, method]);
    this.#kept.set(name, { shares, until: now + KEEP_MS });
    // A failed read is not cached.
    shares.catch(() => this.#kept.delete(name));
    return shares;
  }
}
