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
  type VerificationRequested,
} from '@countersign/contracts';
import { RecentIds, ServiceError, type Clock } from '@countersign/runtime';
import { commandKeyOf, type LimitRequest } from './limit.decision.js';
import { EXACT_LIMIT } from './rule.decision.js';
import { type LimiterRefusalCache, type ReachedLimit } from '../refusals/refusal-cache.js';
import { type LimitStore, type LimitDecision } from './limits.ports.js';
import { type RequestToLimit, type LimitRequests } from './limit-request.js';
import { type RefusalReport } from '../refusals/refusal-report.js';
import { type AbuseDetector } from '../abuse-signals/abuse-detector.js';

/** How long it is known at least that a count of a front door was taken: it tells again every two seconds. */
const TOLD_AGAIN_MS = 60_000;
/** Counts that are known, at most, of each of two generations: what a few front doors hand over at once. */
const MOST_COUNTS = 50_000;

/** What became of requests, for metrics. `source`: whether the store was asked. */
export type Observe = (
  outcome: 'admitted' | 'refused' | 'would_refuse' | 'near',
  dimension: LimitDimension | 'none',
  source: 'store' | 'memory',
) => void;

/** What the limiter says, whatever it was asked about. */
type Decided = Omit<FieldsOf<LimitDecided>, 'commandId'>;

/**
 * Lets a request through to the verification service, its seal untouched, or answers it. Fails closed: without a store
 * and without a policy nothing passes, and the caller hears so at once instead of at the time-out.
 */
export class AdmitRequest {
  readonly #counted = new RecentIds(TOLD_AGAIN_MS, MOST_COUNTS);

  constructor(
    private readonly questions: LimitRequests,
    private readonly store: LimitStore,
    private readonly overLimit: LimiterRefusalCache,
    private readonly report: RefusalReport,
    private readonly watch: AbuseDetector,
    /** Of this process: it measures how long a key is remembered, and decides nothing. */
    private readonly clock: Clock,
    private readonly observe: Observe,
  ) {}

  /** Decides about a guess: lets it through to the verification service, or answers it. */
  async admitAttempt(request: VerificationRequested): Promise<VerificationAdmitted | VerificationDecided> {
    const { outcome, ...decision } = await this.#decide(request);
    const { commandId } = request;
    if (outcome !== 'admitted') return message(VerificationDecided, { commandId, level: 'none', outcome, ...decision });
    return message(VerificationAdmitted, { ...request, ...decision });
  }

  /** Decides about a request that brings no guess; the adapter carries it out. */
  async decide(request: LimitRequested): Promise<LimitDecided> {
    return message(LimitDecided, { commandId: request.commandId, ...(await this.#decide(request)) });
  }

  async #decide(request: RequestToLimit): Promise<Decided> {
    const posed = this.questions.of(request);
    if (posed === undefined) return { outcome: 'unavailable' };
    const [first, ...others] = posed.questions;
    this.watch.note(request, first, posed.signals);
    const decided = await this.#decideOne(request, first, true);
    if (decided.outcome !== 'admitted') return decided;
    for (const question of others) {
      const further = await this.#decideOne(request, question, false);
      // It stays counted by the names before: to give it back would take back what its first delivery has used.
      if (further.outcome !== 'admitted') return further;
    }
    return decided;
  }

  /** @param isFirst of the questions about one request: what is near, and what would have been refused, is reported once */
  async #decideOne(request: RequestToLimit, question: LimitRequest, isFirst: boolean): Promise<Decided> {
    try {
      const remembered = this.overLimit.find(question, this.clock.now());
      if (remembered) return await this.#refuse(request, question, remembered, 'memory');
      const { generation } = this.overLimit;
      const decision = await this.store.admit(question);
      if (isFirst) this.#tell(request, question, decision);
      const { refusedBy: refusedBy } = decision;
      if (refusedBy) {
        const by = await this.#withKnown(question, refusedBy);
        this.overLimit.refused(question, by, this.clock.now(), generation);
        return await this.#refuse(request, question, by, 'store');
      }
      this.overLimit.admitted(question, this.clock.now());
      this.observe('admitted', 'none', 'store');
      const quotas = request.channel === 'rest' ? quotasOf(question, decision) : [];
      return { outcome: 'admitted', ...(quotas.length === 0 ? {} : { quotas }) };
    } catch (error) {
      if (!(error instanceof ServiceError && error.code === 'DATABASE_UNAVAILABLE')) throw error;
      return { outcome: 'unavailable' };
    }
  }

  /**
   * Takes note of requests that an adapter has refused by itself, as if they had come here: signals and the record miss
   * none of them. What an adapter publishes twice, because it got no acknowledgement, counts once.
   */
  noteCachedRefusals(counted: RefusalsCounted): void {
    const posed = this.questions.of(counted);
    const { countId } = counted;
    if (posed === undefined || this.#counted.has(countId)) return;
    this.#counted.add(countId, this.clock.now());
    const [question] = posed.questions;
    this.watch.note(counted, question, posed.signals);
    this.report.count('limit.refused', counted, question, counted.dimension, counted.count);
  }

  /**
   * With what is not refused although the limit is reached, so that everything else is refused from memory: repetitions of
   * what has passed, and, by the limit of subjects, whom the caller may go on asking about.
   */
  async #withKnown(question: LimitRequest, refusedBy: ReachedLimit): Promise<ReachedLimit> {
    const { checks, repeatSeconds } = question;
    const commandKey = commandKeyOf(question);
    if (commandKey !== undefined && (refusedBy.dimension === 'caller' || refusedBy.dimension === 'call')) {
      return { ...refusedBy, admittedCommands: await this.store.admittedCommands(commandKey, repeatSeconds) };
    }
    const check = checks.find(({ dimension }) => dimension === refusedBy.dimension);
    if (check?.dimension !== 'subjectsPerCaller' || check.rule.limit > EXACT_LIMIT) return refusedBy;
    return { ...refusedBy, admittedSubjects: await this.store.admittedMembers(check.key, check.rule) };
  }

  async #refuse(
    request: RequestToLimit,
    question: LimitRequest,
    by: ReachedLimit,
    source: 'store' | 'memory',
  ): Promise<Decided> {
    this.observe('refused', by.dimension, source);
    await this.report.refused(request, question, by.dimension);
    const retryAfterSeconds = Math.max(1, Math.ceil(by.retryAfterMs / 1000));
    const quota = quotaOf(question, by.dimension, { remaining: 0, resetMs: by.retryAfterMs });
    const { dimension, admittedSubjects: met, admittedCommands: passed } = by;
    return {
      outcome: 'rate_limited',
      retryAfterSeconds,
      limitedBy: {
        dimension,
        retryAfterMs: Math.floor(by.retryAfterMs),
        ...(met && { admittedSubjects: met }),
        ...(passed && { admittedCommands: passed }),
      },
      ...(quota === undefined ? {} : { quotas: [quota] }),
    };
  }

  /** Limits that only report, and those that come near. */
  #tell(
    request: RequestToLimit,
    question: LimitRequest,
    { shadowRefusals: shadowed, nearLimit: near }: LimitDecision,
  ): void {
    for (const dimension of shadowed) {
      this.observe('would_refuse', dimension, 'store');
      this.report.count('limit.would_refuse', request, question, dimension);
    }
    for (const dimension of near) {
      this.observe('near', dimension, 'store');
      this.report.nearLimit(request, question, dimension);
    }
  }
}

function quotasOf(question: LimitRequest, { agent, tenant }: LimitDecision): Quota[] {
  return [agent && quotaOf(question, 'agent', agent), tenant && quotaOf(question, 'tenant', tenant)].filter(
    (quota) => quota !== undefined,
  );
}

/** Only agents and tenants hear of their quotas; a quota of a caller or subject would tell about people. */
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
