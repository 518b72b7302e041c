import { v7 as uuid } from 'uuid';
import { FactRecorded, message, type FactKind, type LimitDimension } from '@countersign/contracts';
import { ServiceError, type Clock } from '@countersign/runtime';
import { type LimitRequest } from '../limits/limit.decision.js';
import { type FactLog } from '../limits/limits.ports.js';
import { type RequestToLimit } from '../limits/limit-request.js';

interface Tally {
  /** The last one that was counted. */
  fact: FactRecorded;
  count: number;
}

/** Keys that are counted at a time, at most; then everything is written at once. So many facts may wait to be written. */
const MOST_KEYS = 10_000;

/**
 * Puts on record what the limiter did. The first refusal of a key is safe before its answer leaves. Those that follow are
 * counted, and written as one fact with `count` at the next `flush`: a flood costs a write per key and flush. A fact that
 * was tried once is tried again as it was, under its id, because it may have been written although nobody heard so.
 */
export class RefusalReport {
  #tallies = new Map<string, Tally>();
  /** Facts that have to be written, by their ids. */
  readonly #pending = new Map<string, FactRecorded>();
  /** Keys whose nearness was told, and until when it is not told again. */
  readonly #near = new Map<string, number>();
  #flushing: Promise<void> = Promise.resolve();

  constructor(
    private readonly log: FactLog,
    private readonly clock: Clock,
  ) {}

  /** @throws ServiceError DATABASE_UNAVAILABLE when it is the first one of its key and cannot be written */
  async refused(request: RequestToLimit, question: LimitRequest, dimension: LimitDimension): Promise<void> {
    const name = nameOf('limit.refused', question, dimension);
    if (this.#tallies.has(name)) return this.count('limit.refused', request, question, dimension);
    const fact = limitFact('limit.refused', request, question, dimension);
    this.#tallies.set(name, { fact, count: 0 });
    const first = withCount(fact, 1);
    try {
      await this.log.record([first]);
    } catch (error) {
      this.#pending.set(first.factId, first);
      throw error;
    }
  }

  /** To be written at the next flush. @param times how often it happened */
  count(kind: FactKind, request: RequestToLimit, question: LimitRequest, dimension: LimitDimension, times = 1): void {
    const name = nameOf(kind, question, dimension);
    const tally = this.#tallies.get(name);
    if (tally) tally.count += times;
    else this.#tallies.set(name, { fact: limitFact(kind, request, question, dimension), count: times });
    if (this.#tallies.size >= MOST_KEYS) void this.flush().catch(() => undefined);
  }

  /** The same, at most once in the limit's period. */
  nearLimit(request: RequestToLimit, question: LimitRequest, dimension: LimitDimension): void {
    const name = nameOf('limit.near', question, dimension);
    const now = this.clock.now();
    if ((this.#near.get(name) ?? 0) > now) return;
    if (this.#near.size >= MOST_KEYS) this.#near.clear();
    const period = question.checks.find((check) => check.dimension === dimension)?.rule.periodSeconds ?? 0;
    this.#near.set(name, now + period * 1000);
    this.count('limit.near', request, question, dimension);
  }

  /** A fact of its own, to be written at the next flush. */
  add(fact: FactRecorded): void {
    this.#pending.set(fact.factId, Object.assign(fact, { detail: { ...fact.detail, count: 1 } }));
  }

  /** Writes what was counted since the last flush; what cannot be written is kept. @throws ServiceError */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.catch(() => undefined).then(() => this.#write());
    return this.#flushing;
  }

  async #write(): Promise<void> {
    // While little can be written, what is counted stays in its tallies: one for each key, however long that lasts.
    if (this.#pending.size < MOST_KEYS) this.#freeze();
    const results = await Promise.allSettled(
      [...this.#pending.values()].map(async (fact) => {
        await this.log.record([fact]);
        this.#pending.delete(fact.factId);
      }),
    );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed === undefined) return;
    const error: unknown = failed.reason;
    throw error instanceof ServiceError ? error : new ServiceError('INTERNAL', 'facts were not written', true, error);
  }

  #freeze(): void {
    const counted = [...this.#tallies].filter(([, { count }]) => count > 0);
    // A key that stays over its limit is counted on; one that has come to rest is told at once when it comes back.
    this.#tallies = new Map(counted.map(([name, { fact }]) => [name, { fact, count: 0 }]));
    for (const [, { fact, count }] of counted) {
      const frozen = withCount(fact, count);
      this.#pending.set(frozen.factId, frozen);
    }
  }
}

function nameOf(kind: FactKind, { checks }: LimitRequest, dimension: LimitDimension): string {
  return `${kind}:${dimension}:${checks.find((check) => check.dimension === dimension)?.key ?? ''}`;
}

function withCount(fact: FactRecorded, count: number): FactRecorded {
  return Object.assign(new FactRecorded(), fact, { factId: uuid(), detail: { ...fact.detail, count } });
}

function limitFact(
  kind: FactKind,
  request: RequestToLimit,
  { checks }: LimitRequest,
  dimension: LimitDimension,
): FactRecorded {
  const rule = checks.find((check) => check.dimension === dimension)?.rule;
  return Object.assign(factOf(kind, request), {
    ...(kind === 'limit.refused' ? { outcome: 'rate_limited' } : {}),
    detail: {
      dimension,
      limit: rule?.limit ?? 0,
      periodSeconds: rule?.periodSeconds ?? 0,
      ...(request.action === undefined ? {} : { action: request.action }),
    },
  });
}

/** A fact about a request: who called, never what was sealed. */
export function factOf(kind: FactKind, request: RequestToLimit): FactRecorded {
  const { tenant, agent, channel, commandId, callId, callerKey, callerTail, attestation, method } = request;
  return message(FactRecorded, {
    factId: uuid(),
    kind,
    time: new Date(0).toISOString(),
    tenant,
    channel,
    commandId,
    ...(agent === undefined ? {} : { agent }),
    ...(callId === undefined ? {} : { callId }),
    ...(callerKey === undefined ? {} : { callerKey, callerTail: callerTail ?? '' }),
    ...(attestation === undefined ? {} : { attestation }),
    ...(method === undefined ? {} : { method }),
  });
}
