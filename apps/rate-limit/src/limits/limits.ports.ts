import {
  type UntimedFact,
  type AttemptRequest,
  type LimitCounter,
  type LimitDimension,
  type LimitPolicy,
  type SignalPolicy,
} from '@countersign/contracts';
import { type LimitCounterState, type LimitDecisionAt, type LimitRequest } from './limit.decision.js';
import { type LimitRule } from './rule.decision.js';
import { type LimitOverride, type LimitSettings } from '../overrides/limit-rules.decision.js';

/** What remains of a quota after a request. */
export interface RemainingQuota {
  readonly remaining: number;
  /** Milliseconds until the whole quota is available again. */
  readonly resetMs: number;
}

/** The decision of the store. Its times are durations, because the store has a clock of its own. */
export interface LimitDecision extends Omit<LimitDecisionAt, 'refusedBy'> {
  readonly refusedBy: { readonly dimension: LimitDimension; readonly retryAfterMs: number } | undefined;
  /** Quotas of the agent and the tenant; set for an admitted request that is not a repetition. */
  readonly agent: RemainingQuota | undefined;
  readonly tenant: RemainingQuota | undefined;
}

/**
 * The counters of the limiter. Implementations MUST decide like `decideLimits`, with any number of replicas, as if the
 * requests had arrived one after the other, by one clock.
 */
export abstract class LimitStore {
  /** @throws ServiceError DATABASE_UNAVAILABLE; then nothing is admitted */
  abstract admit(request: LimitRequest): Promise<LimitDecision>;
  /** Members admitted under a key within the period of this limit, at most 64, as {@link LimitKeys.member} names them. */
  abstract admittedMembers(key: string, rule: LimitRule): Promise<readonly string[]>;
  /** The newest commands admitted under a key within so many seconds, at most 64, as {@link LimitKeys.command} names them. */
  abstract admittedCommands(key: string, withinSeconds: number): Promise<readonly string[]>;
  /** Takes back what an admitted command used. False: there was nothing to take back. */
  abstract refund(request: LimitRequest): Promise<boolean>;
  /** What remains of each of these limits, in the same order. */
  abstract remaining(limits: readonly { readonly key: string; readonly rule: LimitRule }[]): Promise<RemainingQuota[]>;
}

/** Two version numbers as text; each differs after every change of its kind. */
export interface OverridesVersion {
  /** Changes with every change. */
  readonly changes: string;
  /** Changes with every reset, after which no earlier cached refusal may be used. */
  readonly resets: string;
}

/** Changes by administrators and signals. Each change is stored together with its fact, or not at all. */
export abstract class OverrideStore {
  /** The current version, whichever replica made the change. */
  abstract version(): Promise<OverridesVersion>;
  /** Everything that has not ended; end times are milliseconds from now. */
  abstract read(): Promise<LimitSettings>;
  /** Overrides a limit of a tenant until a time. False: that time has passed already. */
  abstract override(
    tenant: string,
    override: LimitOverride & { readonly expiresAt: string },
    fact: UntimedFact,
  ): Promise<boolean>;
  /** Halves the limits of a tenant for a time. False: they are already halved for at least half of that time. */
  abstract tighten(tenant: string, seconds: number, fact: UntimedFact): Promise<boolean>;
  /** Clears the use of one limit under these keys, and makes every replica clear its refusal cache. */
  abstract reset(dimension: LimitDimension, keys: readonly string[], fact: UntimedFact): Promise<void>;
}

/** Stores facts outside the transaction of a decision, with the time of the database. */
export abstract class FactLog {
  /** Resolves when the facts are durable. @throws ServiceError DATABASE_UNAVAILABLE */
  abstract record(facts: readonly UntimedFact[]): Promise<void>;
}

/** Limits and signal thresholds for one request. */
export interface PolicyLimits {
  /** Limits of the agent's policy, except the tenant's quota, which comes from the tenant's policy. */
  readonly limits: LimitPolicy;
  readonly signals: Required<SignalPolicy>;
}

/** How a request names a subject. */
export type SubjectReference = Pick<AttemptRequest, 'tenant' | 'subjectKind' | 'subjectRef'>;

/** The limits of an agent's policy. */
export abstract class LimitPolicies {
  /** Undefined: the tenant has no such agent (any more). */
  abstract ofAgent(tenant: string, agent: string): PolicyLimits | undefined;
  /** Undefined: there is no such tenant. */
  abstract ofTenant(tenant: string): LimitPolicy | undefined;
}

/** Names of counters in the store and in events: keyed hashes, so neither holds what a caller said. */
export abstract class LimitKeys {
  /** The same name that events of the verification service use. 64 hexadecimal digits. */
  abstract subjectKey(subject: SubjectReference): string;
  /**
   * Different counters MUST have different keys, but for `caller` and `subjectsPerCaller` of one caller, which share one.
   * 32 hexadecimal digits in groups, as a UUID is written.
   */
  abstract key(tenant: string, counter: LimitCounter): string;
  /** A signed number of 64 bits, in decimal digits. */
  abstract command(tenant: string, commandId: string): string;
  /** A signed number of 64 bits, in decimal digits. */
  abstract member(subject: SubjectReference): string;
}

export type { LimitCounterState };
