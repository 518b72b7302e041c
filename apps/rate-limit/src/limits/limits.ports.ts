import {
  type FactRecorded,
  type AttemptRequest,
  type LimitCounter,
  type LimitDimension,
  type LimitPolicy,
  type SignalPolicy,
} from '@countersign/contracts';
import { type LimitCounterState, type LimitDecisionAt, type LimitRequest } from './limit.decision.js';
import { type LimitRule } from './rule.decision.js';
import { type LimitOverride, type LimitSettings } from '../overrides/limit-rules.decision.js';

/** What is left of a quota after a request. */
export interface RemainingQuota {
  readonly remaining: number;
  /** Milliseconds until nothing of it is used. */
  readonly resetMs: number;
}

/** The decision of the store. Its times are lengths, because its clock is not the service's. */
export interface LimitDecision extends Omit<LimitDecisionAt, 'refusedBy'> {
  readonly refusedBy: { readonly dimension: LimitDimension; readonly retryAfterMs: number } | undefined;
  /** Of the agent's and the tenant's quota, after a request that was let through and is no repetition. */
  readonly agent: RemainingQuota | undefined;
  readonly tenant: RemainingQuota | undefined;
}

/**
 * The memory of the limiter. Implementations MUST decide like `decide` of the domain, under any number of copies, as if
 * the requests had come one after the other, by one clock of their own.
 */
export abstract class LimitStore {
  /** @throws ServiceError DATABASE_UNAVAILABLE; then nothing passes */
  abstract admit(question: LimitRequest): Promise<LimitDecision>;
  /** Whom a key has met within the period of this limit, up to 64: the names of {@link LimitKeys.member}. */
  abstract admittedMembers(key: string, rule: LimitRule): Promise<readonly string[]>;
  /**
   * The newest commands that the row of a key holds and that were admitted within so many seconds, up to 64, by the names
   * of {@link LimitKeys.command}.
   */
  abstract admittedCommands(key: string, withinSeconds: number): Promise<readonly string[]>;
  /** Takes back what an admitted command has spent. False: there was nothing to take back. */
  abstract refund(question: LimitRequest): Promise<boolean>;
  /** What is left of each of these limits, in their order. */
  abstract remaining(asked: readonly { readonly key: string; readonly rule: LimitRule }[]): Promise<RemainingQuota[]>;
}

/** Two counters; each is another text after every change of its kind. */
export interface OverridesVersion {
  /** Of all changes. */
  readonly changes: string;
  /** Of resets, after which no refusal that was remembered before may stand. */
  readonly resets: string;
}

/** What an administrator changes: each change with the fact of it, both or none. */
export abstract class OverrideStore {
  /** What any copy has changed so far. */
  abstract version(): Promise<OverridesVersion>;
  /** Everything that has not ended, with the ends as milliseconds from now. */
  abstract read(): Promise<LimitSettings>;
  /** Sets a limit of a tenant until a time, with the fact of it. False: that time is over already. */
  abstract override(
    tenant: string,
    override: LimitOverride & { readonly expiresAt: string },
    fact: FactRecorded,
  ): Promise<boolean>;
  /** Halves a tenant's limits for a time, with the fact of it. False: they are for half of that time or longer already. */
  abstract tighten(tenant: string, seconds: number, fact: FactRecorded): Promise<boolean>;
  /** Clears what keys have used of one limit, and makes every copy clear what it holds in memory. */
  abstract reset(dimension: LimitDimension, keys: readonly string[], fact: FactRecorded): Promise<void>;
}

/** Where facts go that are no part of a decision's own transaction; they get the database's time. */
export abstract class FactLog {
  /** Resolves when they are safe. @throws ServiceError DATABASE_UNAVAILABLE */
  abstract record(facts: readonly FactRecorded[]): Promise<void>;
}

/** What the policies say of one request. */
export interface PolicyLimits {
  /** The limits of the agent's policy, but the tenant's own quota from the tenant's. */
  readonly limits: LimitPolicy;
  readonly signals: Required<SignalPolicy>;
}

/** A subject as a request names it. */
export type SubjectReference = Pick<AttemptRequest, 'tenant' | 'subjectKind' | 'subjectRef'>;

/** The limits of an agent's policy. */
export abstract class LimitPolicies {
  /** Undefined: no such agent in this tenant (any more). */
  abstract ofAgent(tenant: string, agent: string): PolicyLimits | undefined;
  /** Undefined: no such tenant. */
  abstract ofTenant(tenant: string): LimitPolicy | undefined;
}

/** Names of keys in the store and in events: keyed hashes, so that neither holds what a caller said. */
export abstract class LimitKeys {
  /** What the events of the verification service call the same reference. 64 hexadecimal digits. */
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
