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
  type VerificationDecided,
} from '@countersign/contracts';
import { type KeyedHash } from '@countersign/crypto';
import { RefusalCache, type CacheableRequest } from '@countersign/refusal-cache';
import { CountPublisher, type Clock } from '@countersign/runtime';

/** A request before it is sent: an attempt, or a request without a submitted secret. */
export interface RefusableRequest extends LimitedRequest {
  readonly commandId: string;
  readonly callerTail?: string | undefined;
  readonly attestation?: string | undefined;
  readonly method?: Method | undefined;
  /** Absent for a request without hashed names. */
  readonly keyId?: string | undefined;
  readonly alsoNamed?: readonly NamesUnderKey[] | undefined;
}

/** The names of an attempt under one key. */
interface NamesOfKey {
  readonly hash: KeyedHash;
  readonly commandId: string;
  readonly subjectRef: string | undefined;
}

/** A refusal from the cache. */
export type AdapterRefusal = Pick<LimitDecided, 'retryAfterSeconds' | 'limitedBy' | 'quotas'> & {
  readonly outcome: 'rate_limited';
};

/** The part of a limiter's reply that the cache uses. */
type LimiterOutcome = Pick<FieldsOf<VerificationDecided>, 'limitedBy' | 'quotas'> & { readonly outcome: string };

interface Details {
  readonly quota: Quota | undefined;
  /** Tallies that this entry has started. */
  tallies: number;
}

/** By policy: after a change of the policy an entry is not used. */
type PolicyRefusalCache = RefusalCache<Policy | undefined, Details>;
type Entry = NonNullable<ReturnType<PolicyRefusalCache['find']>>;

interface Tally {
  readonly request: RefusableRequest;
  readonly dimension: LimitDimension;
  count: number;
}

/** Longest use of an entry, in milliseconds. Then the limiter decides again, because of resets and overrides. */
const MAX_ENTRY_AGE_MS = 5_000;
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
export class AdapterRefusalCache {
  readonly #cache: PolicyRefusalCache = new RefusalCache({
    isSameBasis: (one, other) => one === other,
    commandRetentionMs: REDELIVERY_MS,
    maxAgeMs: MAX_ENTRY_AGE_MS,
  });
  #tallies = new Map<string, Tally>();
  readonly #publisher: CountPublisher<RefusalsCounted>;

  /**
   * @param clock must not go backwards
   * @param publish sends counts to the limiter; resolves when they are durable
   */
  constructor(
    private readonly hash: KeyedHash,
    private readonly clock: Clock,
    publish: (counted: readonly RefusalsCounted[]) => Promise<void>,
    private readonly observe: (dimension: LimitDimension) => void,
  ) {
    this.#publisher = new CountPublisher(() => this.#takeTallies(), publish);
  }

  /** Number of entries. */
  get size(): number {
    return this.#cache.size;
  }

  /** Returns the refusal with the longest wait and counts it; undefined: the limiter must decide. */
  find(policy: Policy | undefined, request: RefusableRequest): AdapterRefusal | undefined {
    if (this.#cache.size === 0) return undefined;
    const now = this.clock.now();
    const found = this.#cache.find(this.#cacheable(policy, request), now);
    if (found === undefined) return undefined;
    this.#count(found, request);
    return refusal(found, now);
  }

  /** Call before a command is sent, because it may be admitted even if no reply comes. */
  noteSent({ commandId }: RefusableRequest): void {
    this.#cache.noteAdmitted(commandId, this.clock.now());
  }

  /**
   * Caches the refusal of a reply.
   * @param askedAt time of the request on the clock. The limiter's durations count from here, so entries end early rather than
   * late.
   */
  learn(policy: Policy | undefined, request: RefusableRequest, decided: LimiterOutcome, askedAt: number): void {
    if (decided.outcome !== 'rate_limited') return;
    this.#cache.noteRefused(request.commandId);
    const { limitedBy: limit, quotas } = decided;
    if (limit === undefined) return;
    const { dimension, admittedSubjects } = limit;
    const counter = limitCountersOf(request).find((one) => one.dimension === dimension);
    // Without the list of admitted subjects only the limiter can decide.
    if (counter === undefined || (dimension === 'subjectsPerCaller' && admittedSubjects === undefined)) return;
    const quota = quotas?.find(({ name }) => name === dimension);
    this.#cache.add({ name: nameOf(request, counter), basis: policy }, limit, askedAt, { quota, tallies: 0 });
  }

  /**
   * Publishes the counts since the last flush. Counts that cannot be published are kept and published again unchanged, under
   * the same ids. @throws ServiceError
   */
  flush(): Promise<void> {
    return this.#publisher.flush();
  }

  #count({ name, limit: { dimension }, details }: Entry, request: RefusableRequest): void {
    this.observe(dimension);
    const { callerKey, subjectKind, subjectRef } = request;
    const pair = JSON.stringify([name, callerKey, subjectKind, subjectRef]);
    // A caller with more subjects is still counted, but no longer per subject.
    const tallyName = this.#tallies.has(pair) || details.tallies < MAX_PAIRS ? pair : name;
    const tally = this.#tallies.get(tallyName);
    if (tally) tally.count++;
    else {
      details.tallies++;
      this.#tallies.set(tallyName, { request, dimension, count: 1 });
      if (this.#tallies.size >= MAX_TALLIES) void this.flush().catch(() => undefined);
    }
  }

  #takeTallies(): RefusalsCounted[] {
    const counted = [...this.#tallies.values()].map(countedOf);
    this.#tallies = new Map();
    return counted;
  }

  #cacheable(policy: Policy | undefined, request: RefusableRequest): CacheableRequest<Policy | undefined> {
    const { commandId: command, tenant, subjectKind } = request;
    return {
      command,
      candidates: limitCountersOf(request).map((counter) => ({ name: nameOf(request, counter), basis: policy })),
      // Commands that another adapter sent, or this one before a restart, are known from the limiter only.
      hasCommandIn: (admitted) =>
        this.#namings(request).some(({ hash, commandId }) => admitted.has(hash.limitCommand(tenant, commandId))),
      hasSubjectIn: (admitted) =>
        subjectKind !== undefined &&
        this.#namings(request).some(
          ({ hash, subjectRef }) =>
            subjectRef !== undefined && admitted.has(hash.limitMember(tenant, subjectKind, subjectRef)),
        ),
    };
  }

  /** The names under each key, because the limiter may have refused under another key than the first. */
  #namings({ commandId, subjectRef, alsoNamed = [] }: RefusableRequest): readonly NamesOfKey[] {
    const [first, ...others] = this.hash.singleKeys;
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
}

/** Each part is a field of its own, so no value can imitate another part. Agents may have different limits for one caller. */
function nameOf({ tenant, agent }: RefusableRequest, { dimension, channel, kind, value }: LimitCounter): string {
  return JSON.stringify([tenant, agent, dimension, channel, kind, value]);
}

function refusal({ refusesUntil, limit: { dimension }, details: { quota } }: Entry, now: number): AdapterRefusal {
  const retryAfterMs = Math.max(0, Math.floor(refusesUntil - now));
  const retryAfterSeconds = Math.max(1, Math.ceil((refusesUntil - now) / 1000));
  return {
    outcome: 'rate_limited',
    retryAfterSeconds,
    limitedBy: { dimension, retryAfterMs },
    ...(quota === undefined ? {} : { quotas: [{ ...quota, resetSeconds: retryAfterSeconds }] }),
  };
}

/** The fields of a request that its count takes over. */
const COUNTED_FIELDS = [
  ...(['agent', 'callId', 'method', 'action', 'subject'] as const),
  ...(['subjectKind', 'subjectRef', 'subjectIsCaller', 'callerKey', 'callerTail', 'attestation'] as const),
  ...(['keyId', 'alsoNamed'] as const),
];

function countedOf({ request, dimension, count }: Tally): RefusalsCounted {
  const { commandId, tenant, channel } = request;
  const counted = message(RefusalsCounted, { commandId, tenant, channel, countId: randomUUID(), dimension, count });
  const isSet = (name: (typeof COUNTED_FIELDS)[number]): boolean => request[name] !== undefined;
  return Object.assign(counted, Object.fromEntries(COUNTED_FIELDS.filter(isSet).map((name) => [name, request[name]])));
}
