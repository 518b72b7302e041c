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

/** A request as an adapter knows it: a guess before it is sealed, or a request that brings none. */
export interface RefusableRequest extends LimitedRequest {
  readonly commandId: string;
  readonly callerTail?: string | undefined;
  readonly attestation?: string | undefined;
  readonly method?: Method | undefined;
  readonly alsoNamed?: readonly NamesUnderKey[] | undefined;
}

/** A guess by the names of one key. */
interface Naming {
  readonly hash: KeyedHash;
  readonly commandId: string;
  readonly subjectRef: string | undefined;
}

/** A refusal from memory. */
export type CachedRefusal = Pick<LimitDecided, 'retryAfterSeconds' | 'quotas'> & { readonly outcome: 'rate_limited' };

/** What the limiter answers, as far as it is learnt from. */
type Learnt = Pick<FieldsOf<VerificationDecided>, 'limitedBy' | 'quotas'> & { readonly outcome: string };

/** What the limiter said, and until when it need not be asked again. */
interface Standing {
  readonly limit: RefusingLimit;
  readonly quota: Quota | undefined;
  readonly met: ReadonlySet<string> | undefined;
  readonly passed: ReadonlySet<string> | undefined;
  /** The policy that it was decided by: another one may decide otherwise. */
  readonly policy: Policy | undefined;
  readonly asksAgainAt: number;
  /** When the limit lets one more pass. */
  readonly opensAt: number;
  /** Tallies that were begun under it. */
  tallies: number;
}

interface Tally {
  readonly described: RefusableRequest;
  readonly dimension: LimitDimension;
  count: number;
}

/** The limiter is asked again after this, in milliseconds: it may have been reset, or set apart from its policy. */
const HOLD_MS = 5_000;
/** Limits that are remembered, at most; the one that was added first makes room. */
const MOST_STANDING = 50_000;
/** Commands at most of each of two generations. */
const MOST_COMMANDS = 50_000;
/** A platform delivers a call again within this time, in milliseconds. */
const REPEATED_MS = 60_000;
/** Pairs of caller and subject that are told apart for one limit while it stands; more than any signal counts to by default. */
const MOST_PAIRS = 64;
/** Tallies in all; then everything is handed over at once. */
const MOST_TALLIES = 10_000;

/**
 * Limits that have refused and are known to refuse on, in the memory of a front door: a guess that they refuse costs no
 * seal, no record and nobody else's time. It only ever refuses, never longer than the limiter said and never longer than
 * {@link HOLD_MS} without asking it again; what it has forgotten is asked. What it refused is counted by caller and subject
 * for the limiter, which puts it on record and looks for attacks in it.
 */
export class RefusalCache {
  readonly #standing = new Map<string, Standing>();
  readonly #passed = new RecentIds(REPEATED_MS, MOST_COMMANDS);
  #tallies = new Map<string, Tally>();
  /** What is being handed over: it may have come to the limiter although nobody heard so. */
  #pending: readonly RefusalsCounted[] = [];
  #flushing: Promise<void> = Promise.resolve();

  /**
   * @param clock does not go back
   * @param publish hands counts to the limiter; resolves when they are safe
   */
  constructor(
    private readonly hash: KeyedHash,
    private readonly clock: Clock,
    private readonly publish: (counted: readonly RefusalsCounted[]) => Promise<void>,
    private readonly observe: (dimension: LimitDimension) => void,
  ) {}

  /** Limits that stand. */
  get size(): number {
    return this.#standing.size;
  }

  /** The refusal of the strictest limit that stands, counted; undefined: the limiter has to be asked. */
  find(policy: Policy | undefined, described: RefusableRequest): CachedRefusal | undefined {
    // What was let through is answered again for free, also while its caller is over a limit: the services know.
    if (this.#standing.size === 0 || this.#passed.has(described.commandId)) return undefined;
    const now = this.clock.now();
    let strictest: { readonly name: string; readonly standing: Standing } | undefined;
    for (const counter of limitCountersOf(described)) {
      const name = nameOf(described, counter);
      const standing = this.#standing.get(name);
      if (standing === undefined) continue;
      if (standing.asksAgainAt <= now || standing.policy !== policy) this.#standing.delete(name);
      else if (this.#isMet(standing, described) || this.#hasPassed(standing, described)) continue;
      else if (strictest === undefined || standing.opensAt > strictest.standing.opensAt) strictest = { name, standing };
    }
    if (strictest === undefined) return undefined;
    this.#count(strictest.name, strictest.standing, described);
    return refusal(strictest.standing, now);
  }

  /** To be called before the limiter is asked: the command may pass even if nobody hears of it. */
  asking({ commandId }: RefusableRequest): void {
    this.#passed.add(commandId, this.clock.now());
  }

  /**
   * Learns from the answer to a guess.
   * @param askedAt when it was asked, by the clock: from then on the limiter's times count, so that they end early
   * rather than late
   */
  learn(policy: Policy | undefined, described: RefusableRequest, decided: Learnt, askedAt: number): void {
    if (decided.outcome !== 'rate_limited') return;
    this.#passed.delete(described.commandId);
    const { limitedBy: limit, quotas } = decided;
    if (limit === undefined) return;
    const { dimension, retryAfterMs } = limit;
    const counter = limitCountersOf(described).find((one) => one.dimension === dimension);
    // Without the list, only the limiter knows whom the caller has met.
    if (counter === undefined || (dimension === 'subjectsPerCaller' && limit.admittedSubjects === undefined)) return;
    const name = nameOf(described, counter);
    if (this.#standing.size >= MOST_STANDING && !this.#standing.has(name)) {
      const [first] = this.#standing.keys();
      if (first !== undefined) this.#standing.delete(first);
    }
    this.#standing.set(name, {
      limit,
      quota: quotas?.find((quota) => quota.name === dimension),
      met: limit.admittedSubjects && new Set(limit.admittedSubjects),
      passed: limit.admittedCommands && new Set(limit.admittedCommands),
      policy,
      asksAgainAt: askedAt + Math.min(retryAfterMs, HOLD_MS),
      opensAt: askedAt + retryAfterMs,
      tallies: 0,
    });
  }

  /**
   * Hands over what was counted since the last time; what cannot be handed over is kept, and tried again as it was, under
   * its ids. @throws ServiceError
   */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.catch(() => undefined).then(() => this.#handOver());
    return this.#flushing;
  }

  #count(name: string, standing: Standing, described: RefusableRequest): void {
    this.observe(standing.limit.dimension);
    const { callerKey, subjectKind, subjectRef } = described;
    const pair = JSON.stringify([name, callerKey, subjectKind, subjectRef]);
    // Who names ever new subjects is counted on, and no longer told apart.
    const tallyName = this.#tallies.has(pair) || standing.tallies < MOST_PAIRS ? pair : name;
    const tally = this.#tallies.get(tallyName);
    if (tally) tally.count++;
    else {
      standing.tallies++;
      this.#tallies.set(tallyName, { described, dimension: standing.limit.dimension, count: 1 });
      if (this.#tallies.size >= MOST_TALLIES) void this.flush().catch(() => undefined);
    }
  }

  async #handOver(): Promise<void> {
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

  /** Whether the command was let through by any front door: this one may not have been asked, or have been restarted. */
  #hasPassed({ passed }: Standing, described: RefusableRequest): boolean {
    if (passed === undefined) return false;
    return this.#namings(described).some(({ hash, commandId }) =>
      passed.has(hash.limitCommand(described.tenant, commandId)),
    );
  }

  /** By each key: the limiter may have refused by the names of another one than the first. */
  #namings({ commandId, subjectRef, alsoNamed = [] }: RefusableRequest): readonly Naming[] {
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

  #isMet({ met }: Standing, described: RefusableRequest): boolean {
    const { tenant, subjectKind } = described;
    if (met === undefined || subjectKind === undefined) return false;
    return this.#namings(described).some(
      ({ hash, subjectRef }) => subjectRef !== undefined && met.has(hash.limitMember(tenant, subjectKind, subjectRef)),
    );
  }
}

/** Each part is a field of its own. Agents of a tenant may have different limits for the same caller. */
function nameOf({ tenant, agent }: RefusableRequest, { dimension, channel, kind, value }: LimitCounter): string {
  return JSON.stringify([tenant, agent, dimension, channel, kind, value]);
}

function refusal({ opensAt, quota }: Standing, now: number): CachedRefusal {
  const retryAfterSeconds = Math.max(1, Math.ceil((opensAt - now) / 1000));
  return {
    outcome: 'rate_limited',
    retryAfterSeconds,
    ...(quota === undefined ? {} : { quotas: [{ ...quota, resetSeconds: retryAfterSeconds }] }),
  };
}

function countedOf({ described, dimension, count }: Tally): RefusalsCounted {
  const { commandId, tenant, channel, ...optional } = described;
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
