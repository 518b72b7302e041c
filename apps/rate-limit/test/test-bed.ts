import { randomUUID } from 'node:crypto';
import {
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
import { AdmitRequest } from '../src/limits/admit-request.use-case.js';
import { ManageLimits } from '../src/overrides/manage-limits.use-case.js';
import { LimiterRefusalCache } from '../src/refusals/refusal-cache.js';
import {
  FactLog,
  LimitPolicies,
  type PolicyLimits,
  OverrideStore,
  type OverridesVersion,
} from '../src/limits/limits.ports.js';
import { LimitRequests } from '../src/limits/limit-request.js';
import { RefusalReport } from '../src/refusals/refusal-report.js';
import {
  type LimitOverride,
  type LimitSettings,
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
}

/** The twin of the outbox. */
export class MemoryFactLog extends FactLog {
  readonly facts: UntimedFact[] = [];
  writes = 0;
  down = false;
  /** Commits, and loses the answer. */
  deaf = false;

  override record(facts: readonly UntimedFact[]): Promise<void> {
    const fails = (): Promise<void> => Promise.reject(new ServiceError('DATABASE_UNAVAILABLE', 'down', true));
    if (facts.length === 0) return Promise.resolve();
    if (this.down) return fails();
    this.writes++;
    this.facts.push(...facts);
    return this.deaf ? fails() : Promise.resolve();
  }
}

/** The twin of the settings in PostgreSQL; the time of it is the bed's clock. */
class MemorySettingsStore extends OverrideStore {
  #changes = 1;
  #resets = 0;
  readonly #tenants = new Map<string, TenantLimitSettings>();

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
    const left = ({ overrides, tightenedUntil }: TenantLimitSettings): TenantLimitSettings => ({
      overrides: overrides.map((one) => ({ ...one, endsAt: one.endsAt - now })),
      tightenedUntil: tightenedUntil - now,
    });
    return Promise.resolve(new Map([...this.#tenants].map(([tenant, settings]) => [tenant, left(settings)])));
  }

  override async override(
    tenant: string,
    { expiresAt, ...override }: LimitOverride & { readonly expiresAt: string },
    fact: UntimedFact,
  ): Promise<boolean> {
    const endsAt = Date.parse(expiresAt);
    if (endsAt <= this.clock.now()) return false;
    const { overrides, tightenedUntil } = this.#of(tenant);
    this.#tenants.set(tenant, { overrides: [...overrides, { ...override, endsAt }], tightenedUntil });
    await this.#changed(fact);
    return true;
  }

  override async tighten(tenant: string, seconds: number, fact: UntimedFact): Promise<boolean> {
    const before = this.#of(tenant);
    if (before.tightenedUntil >= this.clock.now() + seconds * 500) return false;
    this.#tenants.set(tenant, { ...before, tightenedUntil: this.clock.now() + seconds * 1000 });
    await this.#changed(fact);
    return true;
  }

  override async reset(dimension: LimitDimension, keys: readonly string[], fact: UntimedFact): Promise<void> {
    await this.#changed(fact);
    this.#resets++;
    this.counters.reset(dimension, keys);
  }

  async #changed(fact: UntimedFact): Promise<void> {
    await this.log.record([fact]);
    this.#changes++;
  }

  #of(tenant: string): TenantLimitSettings {
    return this.#tenants.get(tenant) ?? { overrides: [], tightenedUntil: 0 };
  }
}

/** The limiter without bus and database: real use cases over the twins, on one clock. */
export class RateLimitTestBed {
  readonly clock = new ManualClock();
  readonly store = new FakeLimitStore(this.clock);
  readonly log = new MemoryFactLog();
  readonly policies = new OneAgent();
  readonly keys = new HashedLimitKeys(new KeyedHash(new Secret(Buffer.alloc(32, 7).toString('base64url'))));
  readonly keysOfAll = [{ keyId: KEY_ID, keys: this.keys }];
  /** Replaced by tests; undefined: the list could not be read. */
  required: readonly string[] | undefined = [];
  readonly requiredKeys = { ids: (): readonly string[] | undefined => this.required };
  readonly questions = new LimitRequests(this.policies, this.keysOfAll, this.requiredKeys, this.clock);
  readonly overLimit = new LimiterRefusalCache();
  readonly report = new RefusalReport(this.log, this.clock);
  readonly manage = new ManageLimits(
    new MemorySettingsStore(this.log, this.store, this.clock),
    this.store,
    this.policies,
    this.keysOfAll,
    this.questions,
    this.overLimit,
    this.clock,
  );
  readonly tightened: Promise<void>[] = [];
  readonly watch = new AbuseDetector(this.report, this.keys, this.clock, (tenant, seconds) => {
    this.tightened.push(this.manage.tighten({ tenant, seconds }));
  });
  readonly seen: string[] = [];
  readonly admit = this.with(this.store);

  /** The use case over another store. */
  with(store: FakeLimitStore, questions = this.questions): AdmitRequest {
    const { overLimit, report, watch, clock } = this;
    return new AdmitRequest(questions, store, overLimit, report, watch, clock, (...what) => {
      this.seen.push(what.join(' '));
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
    sealed: 'sealed-for-somebody-else',
    ...more,
  });
