import { randomUUID } from 'node:crypto';
import {
  MAX_OVERRIDES,
  message,
  SIGNAL_DEFAULTS,
  VerificationRequested,
  type UntimedFact,
  type Limit,
  type LimitDimension,
  type LimitPolicy,
  type SignalPolicy,
} from '@countersign/contracts';
import { KeyedHash, Secret } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { ManualClock } from '@countersign/testing';
import { AdmitRequest } from '../src/admission/admit-request.use-case.js';
import { ManageLimits } from '../src/overrides/manage-limits.use-case.js';
import { LimiterRefusalCache } from '../src/refusals/refusal-cache.js';
import {
  LimitKeyring,
  LimitPolicies,
  type IdentifiedLimitKeys,
  type PolicyLimits,
} from '../src/limits/limits.ports.js';
import { ForeignKeys, RequiredKeys } from '../src/limits/required-keys.js';
import {
  OverrideStore,
  type NewOverride,
  type OverrideSelection,
  type OverridesVersion,
} from '../src/overrides/overrides.ports.js';
import { FactLog } from '../src/refusals/refusals.ports.js';
import { LimitRequests } from '../src/limits/limit-requests.js';
import { RefusalReport } from '../src/refusals/refusal-report.js';
import {
  type LimitOverride,
  type LimitSettings,
  type StoredOverride,
  type TenantLimitSettings,
} from '../src/overrides/limit-rules.decision.js';
import { HashedLimitKeys } from '../src/limits/limit-keys.store.js';
import { FakeLimitStore } from './limit-store.fake.js';
import { AbuseDetector } from '../src/abuse-signals/abuse-detector.js';

const wide: Limit = { limit: 100_000, periodSeconds: 60 };
const LIMITS: LimitPolicy = {
  ...{ caller: { limit: 10, periodSeconds: 60 }, call: wide, subject: wide, agent: wide, tenant: wide },
  subjectsPerCaller: wide,
};

/** Id of the one key of the test bed. */
export const KEY_ID = 'k1';

/** One agent `desk` of the tenant `acme`, with a policy that a test may change. */
export class OneAgent extends LimitPolicies {
  limits = LIMITS;
  signals: Required<SignalPolicy> = SIGNAL_DEFAULTS;

  override ofAgent(tenant: string, agent: string): PolicyLimits | undefined {
    return tenant === 'acme' && agent === 'desk' ? this : undefined;
  }

  override ofTenant(tenant: string): LimitPolicy | undefined {
    return tenant === 'acme' ? this.limits : undefined;
  }

  mayLoosenLimits = false;
  override mayLoosen(): boolean {
    return this.mayLoosenLimits;
  }
}

/** The outbox, in memory. */
export class FakeFactLog extends FactLog {
  readonly facts: UntimedFact[] = [];
  writes = 0;
  down = false;
  /** Stores the facts and fails, as if the acknowledgement was lost. */
  losesAnswers = false;

  override record(facts: readonly UntimedFact[]): Promise<void> {
    const fails = (): Promise<void> => Promise.reject(new ServiceError('DATABASE_UNAVAILABLE', 'down', true));
    if (facts.length === 0) return Promise.resolve();
    if (this.down) return fails();
    this.writes++;
    this.facts.push(...facts);
    return this.losesAnswers ? fails() : Promise.resolve();
  }
}

/** Overrides and tightened limits in memory, on the clock of the test bed. */
class FakeOverrideStore extends OverrideStore {
  #changes = 1;
  #resets = 0;
  readonly #overrides = new Map<string, StoredOverride[]>();
  readonly #tightenedUntil = new Map<string, number>();

  constructor(
    private readonly log: FactLog,
    private readonly counters: FakeLimitStore,
    private readonly clock: ManualClock,
  ) {
    super();
  }

  override version(): Promise<OverridesVersion> {
    return Promise.resolve({ changes: String(this.#changes), resets: String(this.#resets) });
  }

  override read(): Promise<LimitSettings> {
    const now = this.clock.now();
    const tenants = [...this.#overrides.keys(), ...this.#tightenedUntil.keys()];
    const fromNow = (tenant: string): TenantLimitSettings => ({
      overrides: (this.#overrides.get(tenant) ?? []).map((one) => ({
        ...one,
        setAt: Number(one.createdAt) - now,
        endsAt: Number(one.expiresAt) - now,
      })),
      tightenedUntil: (this.#tightenedUntil.get(tenant) ?? 0) - now,
    });
    return Promise.resolve(new Map(tenants.map((tenant) => [tenant, fromNow(tenant)])));
  }

  override async override(
    tenant: string,
    { expiresAt, shadow = false, ...override }: NewOverride,
    fact: UntimedFact,
    isAllowed: (existing: StoredOverride) => boolean,
  ): Promise<StoredOverride | 'ended' | 'kept' | 'full'> {
    const now = this.clock.now();
    const stored = { ...override, shadow, createdAt: new Date(now), expiresAt: new Date(expiresAt) };
    if (Number(stored.expiresAt) <= now) return 'ended';
    const named = (one: LimitOverride): string[] => [one.target, ...one.names.map(({ target }) => target)];
    const isSame = (one: StoredOverride): boolean =>
      one.dimension === stored.dimension && named(one).some((name) => named(stored).includes(name));
    const existing = await this.list(tenant, { limit: Infinity });
    const isOfDimension = (one: StoredOverride): boolean => one.dimension === stored.dimension && one.target === '';
    if (!existing.filter((one) => isSame(one) || isOfDimension(one)).every(isAllowed)) return 'kept';
    const others = existing.filter((one) => !isSame(one));
    if (others.length >= MAX_OVERRIDES) return 'full';
    this.#overrides.set(tenant, [...others, stored]);
    await this.#changed(fact);
    return stored;
  }

  override list(
    tenant: string,
    { limit, after = '', dimensions, targets }: OverrideSelection,
  ): Promise<StoredOverride[]> {
    const found = (this.#overrides.get(tenant) ?? [])
      .filter(({ expiresAt }) => Number(expiresAt) > this.clock.now())
      .filter(({ id, dimension }) => id > after && (dimensions?.includes(dimension) ?? true))
      .filter(
        (one) =>
          !targets || [one.target, ...one.names.map((name) => name.target)].some((name) => targets.includes(name)),
      );
    return Promise.resolve(found.sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, limit));
  }

  override async find(tenant: string, id: string): Promise<StoredOverride | undefined> {
    return (await this.list(tenant, { limit: Infinity })).find((one) => one.id === id);
  }

  override async delete(
    tenant: string,
    id: string,
    fact: UntimedFact,
    mayDelete: (existing: StoredOverride) => boolean,
  ): Promise<'deleted' | 'kept' | 'missing'> {
    const existing = await this.find(tenant, id);
    if (!existing) return 'missing';
    if (!mayDelete(existing)) return 'kept';
    this.#overrides.set(
      tenant,
      (this.#overrides.get(tenant) ?? []).filter((one) => one !== existing),
    );
    await this.#changed(fact);
    return 'deleted';
  }

  override async tighten(tenant: string, seconds: number, fact: UntimedFact): Promise<boolean> {
    if ((this.#tightenedUntil.get(tenant) ?? 0) >= this.clock.now() + seconds * 500) return false;
    this.#tightenedUntil.set(tenant, this.clock.now() + seconds * 1000);
    await this.#changed(fact);
    return true;
  }

  override async reset(dimension: LimitDimension, keys: readonly string[], fact: UntimedFact): Promise<void> {
    await this.#changed(fact);
    this.#resets++;
    this.counters.reset(dimension, keys);
  }

  override eraseTenant(tenant: string): Promise<boolean> {
    const had = [this.#overrides.delete(tenant), this.#tightenedUntil.delete(tenant)];
    if (had.includes(true)) this.#changes++;
    return Promise.resolve(true);
  }

  override purge(): Promise<void> {
    return Promise.resolve();
  }

  async #changed(fact: UntimedFact): Promise<void> {
    await this.log.record([fact]);
    this.#changes++;
  }
}

/** Names of counters under these keys. */
export function keyringOf(first: IdentifiedLimitKeys, ...others: IdentifiedLimitKeys[]): LimitKeyring {
  return new (class extends LimitKeyring {
    override readonly each = [first, ...others] as const;
  })();
}

/** A list of required keys that a test sets. */
class FakeRequiredKeys extends RequiredKeys {
  /** Undefined: the list could not be read. */
  known: readonly string[] | undefined = [];

  override ids(): readonly string[] | undefined {
    return this.known;
  }
}

/** The limiter without bus and database: real use cases over fakes, on one clock. */
export class RateLimitTestBed {
  readonly clock = new ManualClock();
  readonly store = new FakeLimitStore(this.clock);
  readonly log = new FakeFactLog();
  readonly policies = new OneAgent();
  readonly keys = new HashedLimitKeys(new KeyedHash(new Secret(Buffer.alloc(32, 7).toString('base64url'))));
  readonly keyring = keyringOf({ keyId: KEY_ID, keys: this.keys });
  readonly requiredKeys = new FakeRequiredKeys(() => Promise.resolve([]), this.clock);
  /** How often requests without our keys were logged. */
  foreignLogged = 0;
  readonly foreignKeys = new ForeignKeys(this.clock, () => void this.foreignLogged++);
  readonly limitRequests = this.limitRequestsUnder(this.keyring);
  readonly refusalCache = new LimiterRefusalCache();
  readonly report = new RefusalReport(this.log, this.clock);
  readonly manage = new ManageLimits(
    new FakeOverrideStore(this.log, this.store, this.clock),
    this.store,
    this.policies,
    this.keyring,
    this.limitRequests,
    this.refusalCache,
    this.clock,
  );
  readonly tightened: Promise<void>[] = [];
  readonly abuseDetector = new AbuseDetector(this.report, this.keyring, this.clock, (tenant, seconds) => {
    this.tightened.push(this.manage.tighten({ tenant, seconds }));
  });
  /** Decisions as metrics count them: outcome, dimension and source. */
  readonly observed: string[] = [];
  readonly admit = this.with(this.store);

  limitRequestsUnder(keyring: LimitKeyring): LimitRequests {
    return new LimitRequests(this.policies, keyring, this.requiredKeys, this.clock, this.foreignKeys);
  }

  /** The use case over another store, or with other limit requests. */
  with(store: FakeLimitStore, limitRequests = this.limitRequests): AdmitRequest {
    const { refusalCache, report, abuseDetector, clock } = this;
    return new AdmitRequest(limitRequests, store, refusalCache, report, abuseDetector, clock, {
      count: (...decision) => void this.observed.push(decision.join(' ')),
    });
  }
}

export const requestOf = (more: Partial<VerificationRequested> = {}): VerificationRequested =>
  message(VerificationRequested, {
    commandId: randomUUID(),
    repeatSeconds: 60,
    tenant: 'acme',
    agent: 'desk',
    channel: 'swaig',
    method: 'pin',
    subjectKind: 'id',
    subjectRef: 'alice',
    callerKey: 'c'.repeat(64),
    subjectIsCaller: false,
    callerTail: '23',
    keyId: KEY_ID,
    alsoNamed: [],
    sealed: 'sealed-for-verification',
    ...more,
  });
