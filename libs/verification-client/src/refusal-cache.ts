import { randomUUID } from 'node:crypto';
import {
  limitCountersOf,
  message,
  RefusalsCounted,
  type FieldsOf,
  type LimitCounter,
  type LimitDecided,
  type LimitDimension,
  type LimitedRequest,
  type Method,
  type NamesUnderKey,
  type Policy,
  type Quota,
  type RefusingLimit,
  type VerificationDecided,
} from '@countersign/contracts';
import { type KeyedHash } from '@countersign/crypto';
import { RecentIds, type Clock } from '@countersign/runtime';

/** A request before it is sent: an attempt, or a request without a submitted secret. */
export interface RefusableRequest extends LimitedRequest {
  readonly commandId: string;
  readonly callerTail?: string | undefined;
  readonly attestation?: string | undefined;
  readonly method?: Method | undefined;
  readonly alsoNamed?: readonly NamesUnderKey[] | undefined;
}

/** The names of an attempt under one key. */
interface NamesOfKey {
  readonly hash: KeyedHash;
  readonly commandId: string;
  readonly subjectRef: string | undefined;
}

/** A refusal from the cache. */
export type CachedRefusal = Pick<LimitDecided, 'retryAfterSeconds' | 'quotas'> & { readonly outcome: 'rate_limited' };

/** The part of a limiter's reply that the cache uses. */
type LimiterOutcome = Pick<FieldsOf<VerificationDecided>, 'limitedBy' | 'quotas'> & { readonly outcome: string };

/** A refusal of the limiter, and how long it is valid. */
interface CacheEntry {
  readonly limit: RefusingLimit;
  readonly quota: Quota | undefined;
  readonly admittedSubjects: ReadonlySet<string> | undefined;
  readonly admittedCommands: ReadonlySet<string> | undefined;
  /** The policy of the decision. After a change of the policy the entry is not used. */
  readonly policy: Policy | undefined;
  readonly staleAt: number;
  /** Time at which the limit admits another request. */
  readonly refusesUntil: number;
  /** Tallies that this entry has started. */
  tallies: number;
}

interface Tally {
  readonly request: RefusableRequest;
  readonly dimension: LimitDimension;
  count: number;
}

/** Longest use of an entry, in milliseconds. Then the limiter decides again, because of resets and overrides. */
const MAX_ENTRY_AGE_MS = 5_000;
/** Entries in the cache; beyond it the oldest one is removed. */
const MAX_ENTRIES = 50_000;
/** Commands in each of the two generations. */
const MAX_COMMANDS = 50_000;
/** Time within which a platform delivers a function call again, in milliseconds. */
const REDELIVERY_MS = 60_000;
/** Pairs of caller and subject counted separately per entry; more than the default threshold of any signal. */
const MAX_PAIRS = 64;
/** Tallies in total; at this number all are published at once. */
const MAX_TALLIES = 10_000;

/**
 * Refusals of the limiter, cached in the adapter. Requests that a cached refusal covers are refused here, before they are
 * encrypted or published. The cache only refuses, never longer than the limiter said, and never longer than
 * {@link MAX_ENTRY_AGE_MS} without a new decision of the limiter. It counts its refusals by caller and subject and publishes
 * the counts to the limiter, for audit events and for the detection of attacks.
 */
export class RefusalCache {
  readonly #entries = new Map<string, CacheEntry>();
  readonly #sentCommands = new RecentIds(REDELIVERY_MS, MAX_COMMANDS);
  #tallies = new Map<string, Tally>();
  /** Counts being published. They may have reached the limiter although no acknowledgement came. */
  #pending: readonly RefusalsCounted[] = [];
  #flushing: Promise<void> = Promise.resolve();

  /**
   * @param clock must not go backwards
   * @param publish sends counts to the limiter; resolves when they are durable
   */
  constructor(
    private readonly hash: KeyedHash,
    private readonly clock: Clock,
    private readonly publish: (counted: readonly RefusalsCounted[]) => Promise<void>,
    private readonly observe: (dimension: LimitDimension) => void,
  ) {}

  /** Number of entries. */
  get size(): number {
    return this.#entries.size;
  }

  /** Returns the refusal with the longest wait and counts it; undefined: the limiter must decide. */
  find(policy: Policy | undefined, request: RefusableRequest): CachedRefusal | undefined {
    // A redelivery gets the stored reply for free, even while its caller is over a limit, so the services decide about it.
    if (this.#entries.size === 0 || this.#sentCommands.has(request.commandId)) return undefined;
    const now = this.clock.now();
    let longest: { readonly name: string; readonly entry: CacheEntry } | undefined;
    for (const counter of limitCountersOf(request)) {
      const name = nameOf(request, counter);
      const entry = this.#entries.get(name);
      if (entry === undefined) continue;
      if (entry.staleAt <= now || entry.policy !== policy) this.#entries.delete(name);
      else if (this.#isAdmittedSubject(entry, request) || this.#isAdmittedCommand(entry, request)) continue;
      else if (longest === undefined || entry.refusesUntil > longest.entry.refusesUntil) longest = { name, entry };
    }
    if (longest === undefined) return undefined;
    this.#count(longest.name, longest.entry, request);
    return refusal(longest.entry, now);
  }

  /** Call before a command is sent, because it may be admitted even if no reply comes. */
  noteSent({ commandId }: RefusableRequest): void {
    this.#sentCommands.add(commandId, this.clock.now());
  }

  /**
   * Caches the refusal of a reply.
   * @param askedAt time of the request on the clock. The limiter's durations count from here, so entries end early rather than
   * late.
   */
  learn(policy: Policy | undefined, request: RefusableRequest, decided: LimiterOutcome, askedAt: number): void {
    if (decided.outcome !== 'rate_limited') return;
    this.#sentCommands.delete(request.commandId);
    const { limitedBy: limit, quotas } = decided;
    if (limit === undefined) return;
    const { dimension, retryAfterMs } = limit;
    const counter = limitCountersOf(request).find((one) => one.dimension === dimension);
    // Without the list of admitted subjects only the limiter can decide.
    if (counter === undefined || (dimension === 'subjectsPerCaller' && limit.admittedSubjects === undefined)) return;
    const name = nameOf(request, counter);
    if (this.#entries.size >= MAX_ENTRIES && !this.#entries.has(name)) {
      const [first] = this.#entries.keys();
      if (first !== undefined) this.#entries.delete(first);
    }
    this.#entries.set(name, {
      limit,
      quota: quotas?.find((quota) => quota.name === dimension),
      admittedSubjects: limit.admittedSubjects && new Set(limit.admittedSubjects),
      admittedCommands: limit.admittedCommands && new Set(limit.admittedCommands),
      policy,
      staleAt: askedAt + Math.min(retryAfterMs, MAX_ENTRY_AGE_MS),
      refusesUntil: askedAt + retryAfterMs,
      tallies: 0,
    });
  }

  /**
   * Publishes the counts since the last flush. Counts that cannot be published are kept and published again unchanged, under
   * the same ids. @throws ServiceError
   */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.catch(() => undefined).then(() => this.#publishTallies());
    return this.#flushing;
  }

  #count(name: string, entry: CacheEntry, request: RefusableRequest): void {
    this.observe(entry.limit.dimension);
    const { callerKey, subjectKind, subjectRef } = request;
    const pair = JSON.stringify([name, callerKey, subjectKind, subjectRef]);
    // A caller with more subjects is still counted, but no longer per subject.
    const tallyName = this.#tallies.has(pair) || entry.tallies < MAX_PAIRS ? pair : name;
    const tally = this.#tallies.get(tallyName);
    if (tally) tally.count++;
    else {
      entry.tallies++;
      this.#tallies.set(tallyName, { request, dimension: entry.limit.dimension, count: 1 });
      if (this.#tallies.size >= MAX_TALLIES) void this.flush().catch(() => undefined);
    }
  }

  async #publishTallies(): Promise<void> {
    await this.#publishPending();
    this.#pending = [...this.#tallies.values()].map(countedOf);
    this.#tallies = new Map();
    await this.#publishPending();
  }

  async #publishPending(): Promise<void> {
    if (this.#pending.length === 0) return;
    await this.publish(this.#pending);
    this.#pending = [];
  }

  /** Whether any adapter sent the command before: this one may not have received it, or may have been restarted. */
  #isAdmittedCommand({ admittedCommands }: CacheEntry, request: RefusableRequest): boolean {
    if (admittedCommands === undefined) return false;
    return this.#namings(request).some(({ hash, commandId }) =>
      admittedCommands.has(hash.limitCommand(request.tenant, commandId)),
    );
  }

  /** The names under each key, because the limiter may have refused under another key than the first. */
  #namings({ commandId, subjectRef, alsoNamed = [] }: RefusableRequest): readonly NamesOfKey[] {
    const [first, ...others] = this.hash.each;
    return [
      { hash: first?.hash ?? this.hash, commandId, subjectRef },
      ...others.map((one) => ({
        hash: one.hash,
        commandId,
        subjectRef,
        ...alsoNamed.find(({ keyId }) => keyId === one.keyId),
      })),
    ];
  }

  #isAdmittedSubject({ admittedSubjects }: CacheEntry, request: RefusableRequest): boolean {
    const { tenant, subjectKind } = request;
    if (admittedSubjects === undefined || subjectKind === undefined) return false;
    return this.#namings(request).some(
      ({ hash, subjectRef }) =>
        subjectRef !== undefined && admittedSubjects.has(hash.limitMember(tenant, subjectKind, subjectRef)),
    );
  }
}

/** Each part is a field of its own, so no value can imitate another part. Agents may have different limits for one caller. */
function nameOf({ tenant, agent }: RefusableRequest, { dimension, channel, kind, value }: LimitCounter): string {
  return JSON.stringify([tenant, agent, dimension, channel, kind, value]);
}

function refusal({ refusesUntil, quota }: CacheEntry, now: number): CachedRefusal {
  const retryAfterSeconds = Math.max(1, Math.ceil((refusesUntil - now) / 1000));
  return {
    outcome: 'rate_limited',
    retryAfterSeconds,
    ...(quota === undefined ? {} : { quotas: [{ ...quota, resetSeconds: retryAfterSeconds }] }),
  };
}

function countedOf({ request, dimension, count }: Tally): RefusalsCounted {
  const { commandId, tenant, channel, ...optional } = request;
  const counted = message(RefusalsCounted, { commandId, tenant, channel, countId: randomUUID(), dimension, count });
  const { agent, callId, method, subjectKind, subjectRef, subjectIsCaller, callerKey, callerTail } = optional;
  const { action, subject, attestation } = optional;
  const more = {
    agent,
    callId,
    method,
    subjectKind,
    subjectRef,
    subjectIsCaller,
    callerKey,
    callerTail,
    attestation,
    action,
    subject,
  };
  return Object.assign(counted, Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined)));
}
