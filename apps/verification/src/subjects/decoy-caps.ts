import { type Method } from '@countersign/contracts';
import { type Database } from '@countersign/persistence';
import { type Clock } from '@countersign/runtime';
import { LOWEST_CAP } from '../attempts/attempt-counter.decision.js';

/** Credentials of a tenant whose caps are read, at most. */
const SAMPLE = 10_000;
/** How long they hold, in milliseconds. */
const KEEP_MS = 300_000;
/** Tenants whose caps are kept; then all are read anew. */
const MOST_TENANTS = 1_000;

/** $1 tenant, $2 kind */
const CAPS = `
SELECT cap, count(*)::int AS count FROM (
  SELECT cap FROM verification.credentials WHERE tenant = $1 AND kind = $2 LIMIT ${SAMPLE}) c
GROUP BY cap ORDER BY cap`;

interface Share {
  readonly cap: number;
  readonly count: number;
}

interface Kept {
  readonly shares: Promise<readonly Share[]>;
  readonly until: number;
}

/**
 * After how many failures a reference that nobody answers to seems to be disabled. PINs of 4, 5 and 6 digits have different
 * caps, so with one cap for all who do not exist, the guess after it would tell who does. Each of them gets the cap of one
 * of the tenant's credentials, always the same while those stay, and together they have the shares that those have.
 */
export class DecoyCaps {
  readonly #kept = new Map<string, Kept>();

  /** @param clock does not go back */
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * To be called for every reference, known or not: what is not in memory is read.
   * @param referenceKey keyed hash of the reference, so that nobody can tell which cap one has
   * @throws ServiceError DATABASE_UNAVAILABLE
   */
  async of(tenant: string, method: Method, referenceKey: string): Promise<number> {
    const shares = await this.#shares(tenant, method);
    const all = shares.reduce((sum, { count }) => sum + count, 0);
    // 48 bits are enough to choose among so few, and exact in a number.
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
    // What could not be read is read by the next.
    shares.catch(() => this.#kept.delete(name));
    return shares;
  }
}
