import { Injectable } from '@nestjs/common';
import {
  LimitDecided,
  message,
  VerificationAdmitted,
  VerificationDecided,
  type FieldsOf,
  type LimitDimension,
  type LimitRequested,
  type Quota,
  type RefusalsCounted,
  type RefusingLimit,
  type VerificationRequested,
} from '@countersign/contracts';
import { Clock, RecentIds, ServiceError } from '@countersign/runtime';
import { commandKeyOf, type LimitRequest } from '../limits/limit.decision.js';
import { EXACT_LIMIT } from '../limits/rule.decision.js';
import { LimiterRefusalCache } from '../refusals/refusal-cache.js';
import { LimitStore, type LimitDecision } from '../limits/limits.ports.js';
import { LimitRequests, type RequestToLimit } from '../limits/limit-requests.js';
import { RefusalReport } from '../refusals/refusal-report.js';
import { AbuseDetector } from '../abuse-signals/abuse-detector.js';

/** How long the id of a count from an adapter is kept, in milliseconds. An adapter publishes a count again after 2 s. */
const COUNT_ID_RETENTION_MS = 60_000;
/** Ids of counts kept in each of the two generations: more than a few adapters publish within the retention time. */
const MAX_COUNT_IDS = 50_000;

/** Counts decisions for metrics. */
export abstract class ObserveDecision {
  /** @param source where the decision was made */
  abstract count(
    outcome: 'admitted' | 'refused' | 'would_refuse' | 'near',
    dimension: LimitDimension | 'none',
    source: 'store' | 'memory',
  ): void;
}

/** The part of a decision that is the same for attempts and for other requests. */
type Decided = Omit<FieldsOf<LimitDecided>, 'commandId'>;

/**
 * Admits a request to the verification service, with its sealed payload unchanged, or refuses it. Fails closed: without the
 * store or a policy nothing is admitted, and the reply says so at once, so no caller waits for a time-out.
 */
@Injectable()
export class AdmitRequest {
  readonly #counted = new RecentIds(COUNT_ID_RETENTION_MS, MAX_COUNT_IDS);

  constructor(
    private readonly limitRequests: LimitRequests,
    private readonly store: LimitStore,
    private readonly refusalCache: LimiterRefusalCache,
    private readonly report: RefusalReport,
    private readonly abuseDetector: AbuseDetector,
    /** Clock of this process. It only measures how long a cached refusal lives; the store decides by its own clock. */
    private readonly clock: Clock,
    private readonly observe: ObserveDecision,
  ) {}

  /** Decides about an attempt: returns the message for the verification service, or the reply. */
  async admitAttempt(request: VerificationRequested): Promise<VerificationAdmitted | VerificationDecided> {
    const { outcome, ...decision } = await this.#decide(request);
    const { commandId } = request;
    if (outcome !== 'admitted') return message(VerificationDecided, { commandId, level: 'none', outcome, ...decision });
    return message(VerificationAdmitted, { ...request, ...decision });
  }

  /** Decides about a request without a submitted secret; the adapter performs it. */
  async decide(request: LimitRequested): Promise<LimitDecided> {
    return message(LimitDecided, { commandId: request.commandId, ...(await this.#decide(request)) });
  }

  async #decide(request: RequestToLimit): Promise<Decided> {
    const withSignals = this.limitRequests.toDecide(request);
    if (withSignals === undefined) return { outcome: 'unavailable' };
    const [first, ...others] = withSignals.limitRequests;
    this.abuseDetector.note(request, first, withSignals.signals);
    const decided = await this.#decideOne(request, first, true);
    if (decided.outcome !== 'admitted') return decided;
    for (const limitRequest of others) {
      const further = await this.#decideOne(request, limitRequest, false);
      // It stays counted under the earlier keys. A refund would also cover what its first delivery used.
      if (further.outcome !== 'admitted') return further;
    }
    return decided;
  }

  /** @param isFirst true for one of the limit requests of a request: near limits and shadow refusals are reported once */
  async #decideOne(request: RequestToLimit, limitRequest: LimitRequest, isFirst: boolean): Promise<Decided> {
    try {
      const cached = this.refusalCache.find(limitRequest, this.clock.now());
      if (cached) return await this.#refuse(request, limitRequest, cached, 'memory');
      const { generation } = this.refusalCache;
      const decision = await this.store.admit(limitRequest);
      if (isFirst) this.#reportSideResults(request, limitRequest, decision);
      const { refusedBy } = decision;
      if (refusedBy) {
        const by = await this.#withAdmitted(limitRequest, refusedBy);
        this.refusalCache.refused(limitRequest, by, this.clock.now(), generation);
        return await this.#refuse(request, limitRequest, by, 'store');
      }
      this.refusalCache.admitted(limitRequest, this.clock.now());
      this.observe.count('admitted', 'none', 'store');
      const quotas = request.channel === 'rest' ? quotasOf(limitRequest, decision) : [];
      return { outcome: 'admitted', ...(quotas.length === 0 ? {} : { quotas }) };
    } catch (error) {
      if (!(error instanceof ServiceError && error.code === 'DATABASE_UNAVAILABLE')) throw error;
      return { outcome: 'unavailable' };
    }
  }

  /**
   * Counts requests that an adapter refused from its cache, so abuse signals and audit events include them. A count that an
   * adapter publishes again, because it got no acknowledgement, counts once. If the adapter shares no key with this limiter,
   * the count is kept without its caller and its subject.
   */
  noteCachedRefusals(counted: RefusalsCounted): void {
    const { countId, keyId: _id, callerKey: _caller, subjectKind: _kind, subjectRef: _ref, ...unnamed } = counted;
    const named = this.limitRequests.of(counted);
    const withSignals = named ?? this.limitRequests.of(unnamed);
    if (withSignals === undefined || this.#counted.has(countId)) return;
    this.#counted.add(countId, this.clock.now());
    const [limitRequest] = withSignals.limitRequests;
    this.abuseDetector.note(counted, limitRequest, withSignals.signals);
    this.report.count('limit.refused', named ? counted : unnamed, limitRequest, counted.dimension, counted.count);
  }

  /**
   * Adds what a reached limit still admits, so that everything else can be refused from the cache: repetitions of admitted
   * commands, and, for `subjectsPerCaller`, the subjects that the caller may continue with.
   */
  async #withAdmitted(limitRequest: LimitRequest, refusedBy: RefusingLimit): Promise<RefusingLimit> {
    const { checks, repeatSeconds } = limitRequest;
    const commandKey = commandKeyOf(limitRequest);
    if (commandKey !== undefined && (refusedBy.dimension === 'caller' || refusedBy.dimension === 'call')) {
      return { ...refusedBy, admittedCommands: await this.store.admittedCommands(commandKey, repeatSeconds) };
    }
    const check = checks.find(({ dimension }) => dimension === refusedBy.dimension);
    if (check?.dimension !== 'subjectsPerCaller' || check.rule.limit > EXACT_LIMIT) return refusedBy;
    return { ...refusedBy, admittedSubjects: await this.store.admittedMembers(check.key, check.rule) };
  }

  async #refuse(
    request: RequestToLimit,
    limitRequest: LimitRequest,
    by: RefusingLimit,
    source: 'store' | 'memory',
  ): Promise<Decided> {
    this.observe.count('refused', by.dimension, source);
    await this.report.refused(request, limitRequest, by.dimension);
    const retryAfterSeconds = Math.max(1, Math.ceil(by.retryAfterMs / 1000));
    const quota = quotaOf(limitRequest, by.dimension, { remaining: 0, resetMs: by.retryAfterMs });
    return {
      outcome: 'rate_limited',
      retryAfterSeconds,
      limitedBy: { ...by, retryAfterMs: Math.floor(by.retryAfterMs) },
      ...(quota === undefined ? {} : { quotas: [quota] }),
    };
  }

  /** Reports shadow refusals and limits above 80 %. */
  #reportSideResults(
    request: RequestToLimit,
    limitRequest: LimitRequest,
    { shadowRefusals, nearLimit }: LimitDecision,
  ): void {
    for (const dimension of shadowRefusals) {
      this.observe.count('would_refuse', dimension, 'store');
      this.report.count('limit.would_refuse', request, limitRequest, dimension);
    }
    for (const dimension of nearLimit) {
      this.observe.count('near', dimension, 'store');
      this.report.nearLimit(request, limitRequest, dimension);
    }
  }
}

function quotasOf(limitRequest: LimitRequest, { agent, tenant }: LimitDecision): Quota[] {
  return [agent && quotaOf(limitRequest, 'agent', agent), tenant && quotaOf(limitRequest, 'tenant', tenant)].filter(
    (quota) => quota !== undefined,
  );
}

/** Only quotas of agents and tenants are shown. A quota of a caller or a subject would reveal what other people do. */
function quotaOf(
  { checks }: LimitRequest,
  dimension: LimitDimension,
  { remaining, resetMs }: { remaining: number; resetMs: number },
): Quota | undefined {
  const rule = checks.find((check) => check.dimension === dimension)?.rule;
  if (rule === undefined || (dimension !== 'agent' && dimension !== 'tenant')) return undefined;
  const { limit, periodSeconds } = rule;
  return {
    name: dimension,
    limit,
    periodSeconds,
    remaining,
    resetSeconds: Math.max(0, Math.ceil(resetMs / 1000)),
  };
}
