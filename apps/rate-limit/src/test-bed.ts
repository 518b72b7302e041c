import { randomUUID } from 'node:crypto';
import {
  message,
  SIGNAL_DEFAULTS,
  VerificationRequested,
  type FactRecorded,
  type Limit,
  type LimitDimension,
  type LimitPolicy,
  type SignalPolicy,
} from '@countersign/contracts';
import { KeyedHash, Secret } from '@countersign/sealing';
import { ServiceError } from '@countersign/service';
import { ManualClock } from '@countersign/testing';
import { AdmitRequest } from './admit-request.js';
import { ManageLimits } from './manage-limits.js';
import { OverLimit } from './over-limit.js';
import { FactLog, LimitPolicies, type Limits, SettingsStore, type SettingsVersion } from './ports.js';
import { Questions } from './questions.js';
import { Report } from './report.js';
import { type Override, type Settings, type TenantSettings } from './domain/settings.js';
import { HashedLimitKeys } from './store/limit-keys.js';
import { MemoryLimitStore } from './store/limit.memory-store.js';
import { Watch } from './watch.js';

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

  override of(tenant: string, agent: string): Limits | undefined {
    return tenant === 'acme' && agent === 'desk' ? this : undefined;
  }

  override ofTenant(tenant: string): LimitPolicy | undefined {
    return tenant === 'acme' ? this.limits : undefined;
  }
}

/** The twin of the outbox. */
export class MemoryFactLog extends FactLog {
  readonly facts: FactRecorded[] = [];
  writes = 0;
  down = false;
  /** Commits, and loses the answer. */
  deaf = false;

  override record(facts: readonly FactRecorded[]): Promise<void> {
    const fails = (): Promise<void> => Promise.reject(new ServiceError('DATABASE_UNAVAILABLE', 'down', true));
    if (facts.length === 0) return Promise.resolve();
    if (this.down) return fails();
    this.writes++;
    this.facts.push(...facts);
    return this.deaf ? fails() : Promise.resolve();
  }
}

/** The twin of the settings in PostgreSQL; the time of it is the bed's clock. */
class MemorySettingsStore extends SettingsStore {
  #changes = 1;
  #resets = 0;
  readonly #tenants = new Map<string, TenantSettings>();

  constructor(
    private readonly log: FactLog,
    private readonly counters: MemoryLimitStore,
    private readonly clock: ManualClock,
  ) {
    super();
  }

  override version(): Promise<SettingsVersion> {
    return Promise.resolve({ changes: String(this.#changes), resets: String(this.#resets) });
  }

  override read(): Promise<Settings> {
    const now = this.clock.now();
    const left = ({ overrides, stricterUntil }: TenantSettings): TenantSettings => ({
      overrides: overrides.map((one) => ({ ...one, endsAt: one.endsAt - now })),
      stricterUntil: stricterUntil - now,
    });
    return Promise.resolve(new Map([...this.#tenants].map(([tenant, settings]) => [tenant, left(settings)])));
  }

  override async override(
    tenant: string,
    { expiresAt, ...override }: Override & { readonly expiresAt: string },
    fact: FactRecorded,
  ): Promise<boolean> {
    const endsAt = Date.parse(expiresAt);
    if (endsAt <= this.clock.now()) return false;
    const { overrides, stricterUntil } = this.#of(tenant);
    this.#tenants.set(tenant, { overrides: [...overrides, { ...override, endsAt }], stricterUntil });
    await this.#changed(fact);
    return true;
  }

  override async tighten(tenant: string, seconds: number, fact: FactRecorded): Promise<boolean> {
    const before = this.#of(tenant);
    if (before.stricterUntil >= this.clock.now() + seconds * 500) return false;
    this.#tenants.set(tenant, { ...before, stricterUntil: this.clock.now() + seconds * 1000 });
    await this.#changed(fact);
    return true;
  }

  override async reset(dimension: LimitDimension, keys: readonly string[], fact: FactRecorded): Promise<void> {
    await this.#changed(fact);
    this.#resets++;
    this.counters.reset(dimension, keys);
  }

  async #changed(fact: FactRecorded): Promise<void> {
    await this.log.record([fact]);
    this.#changes++;
  }

  #of(tenant: string): TenantSettings {
    return this.#tenants.get(tenant) ?? { overrides: [], stricterUntil: 0 };
  }
}

/** The limiter without bus and database: real use cases over the twins, on one clock. */
export class TestBed {
  readonly clock = new ManualClock();
  readonly store = new MemoryLimitStore(this.clock);
  readonly log = new MemoryFactLog();
  readonly policies = new OneAgent();
  readonly keys = new HashedLimitKeys(new KeyedHash(new Secret(Buffer.alloc(32, 7).toString('base64url'))));
  readonly keysOfAll = [{ keyId: KEY_ID, keys: this.keys }];
  readonly questions = new Questions(this.policies, this.keysOfAll, this.clock);
  readonly overLimit = new OverLimit();
  readonly report = new Report(this.log, this.clock);
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
  readonly watch = new Watch(this.report, this.keys, this.clock, (tenant, seconds) => {
    this.tightened.push(this.manage.tighten({ tenant, seconds }));
  });
  readonly seen: string[] = [];
  readonly admit = this.with(this.store);

  /** The use case over another store. */
  with(store: MemoryLimitStore, questions = this.questions): AdmitRequest {
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
