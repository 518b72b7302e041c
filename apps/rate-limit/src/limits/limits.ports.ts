import {
  type AttemptRequest,
  type LimitCounter,
  type LimitDimension,
  type LimitPolicy,
  type SignalPolicy,
} from '@countersign/contracts';
import { type LimitDecisionAt, type LimitRequest } from './limit.decision.js';
import { type LimitRule } from './rule.decision.js';

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
  /** Refunds what an admitted command used. False: there was nothing to refund. */
  abstract refund(request: LimitRequest): Promise<boolean>;
  /** What remains of each of these limits, in the same order. */
  abstract remaining(limits: readonly { readonly key: string; readonly rule: LimitRule }[]): Promise<RemainingQuota[]>;
  /** Removes counters that cannot refuse a request any more. */
  abstract purge(): Promise<void>;
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
  /** Whether the installation lets the tenant loosen its limits. */
  abstract mayLoosen(tenant: string): boolean;
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

/** Names of counters under one key of IDENTIFIER_KEY. */
export interface IdentifiedLimitKeys {
  readonly keyId: string;
  readonly keys: LimitKeys;
}

/** The names of counters under each key of IDENTIFIER_KEY. */
export abstract class LimitKeyring {
  /** In the order of the setting. */
  abstract readonly each: readonly [IdentifiedLimitKeys, ...IdentifiedLimitKeys[]];

  /** Undefined: the setting has no such key. */
  find(keyId: string): LimitKeys | undefined {
    return this.each.find((one) => one.keyId === keyId)?.keys;
  }

  /** Names under the first key: those that events use. */
  get first(): LimitKeys {
    return this.each[0].keys;
  }
}
