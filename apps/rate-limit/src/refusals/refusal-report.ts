import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { v7 as uuid } from 'uuid';
import { untimedFact, type FactKind, type LimitDimension, type UntimedFact } from '@countersign/contracts';
import { Clock, ServiceError } from '@countersign/runtime';
import { type LimitRequest } from '../limits/limit.decision.js';
import { FactLog } from './refusals.ports.js';
import { type RequestToLimit } from '../limits/limit-requests.js';

interface Tally {
  /** Describes the first counted request of the key. */
  fact: UntimedFact;
  count: number;
}

/** Keys counted at the same time; at this number everything is written. Also the bound of facts that wait to be written. */
const MAX_KEYS = 10_000;

/**
 * Records refusals as facts. The first refusal of a key is durable before its reply is sent. Later ones are counted and
 * written as one fact with `count` at the next `flush`, so a flood costs one write per key and flush. After a failed write
 * the fact is written again unchanged, under the same id, because the first write may have succeeded.
 */
@Injectable()
export class RefusalReport {
  #tallies = new Map<string, Tally>();
  /** Facts that must still be written, by id. */
  readonly #pending = new Map<string, UntimedFact>();
  /** Keys with a reported near limit, and the time until which it is not reported again. */
  readonly #nearReportedUntil = new LRUCache<string, number>({ max: MAX_KEYS });
  #flushing: Promise<void> = Promise.resolve();

  constructor(
    private readonly log: FactLog,
    private readonly clock: Clock,
  ) {}

  /** @throws ServiceError DATABASE_UNAVAILABLE when it is the first one of its key and cannot be written */
  async refused(request: RequestToLimit, limitRequest: LimitRequest, dimension: LimitDimension): Promise<void> {
    const name = nameOf('limit.refused', request, limitRequest, dimension);
    if (this.#tallies.has(name)) return this.count('limit.refused', request, limitRequest, dimension);
    const fact = limitFact('limit.refused', request, limitRequest, dimension);
    this.#tallies.set(name, { fact, count: 0 });
    const first = withCount(fact, 1);
    try {
      await this.log.record([first]);
    } catch (error) {
      this.#pending.set(first.factId, first);
      throw error;
    }
  }

  /** Counts for the next flush. @param times number of requests */
  count(
    kind: FactKind,
    request: RequestToLimit,
    limitRequest: LimitRequest,
    dimension: LimitDimension,
    times = 1,
  ): void {
    const name = nameOf(kind, request, limitRequest, dimension);
    const tally = this.#tallies.get(name);
    if (tally) tally.count += times;
    else this.#tallies.set(name, { fact: limitFact(kind, request, limitRequest, dimension), count: times });
    if (this.#tallies.size >= MAX_KEYS) void this.flush().catch(() => undefined);
  }

  /** Counts a near limit, at most once in the period of the limit. */
  nearLimit(request: RequestToLimit, limitRequest: LimitRequest, dimension: LimitDimension): void {
    const name = nameOf('limit.near', request, limitRequest, dimension);
    const now = this.clock.now();
    if ((this.#nearReportedUntil.get(name) ?? 0) > now) return;
    const period = limitRequest.checks.find((check) => check.dimension === dimension)?.rule.periodSeconds ?? 0;
    this.#nearReportedUntil.set(name, now + period * 1000);
    this.count('limit.near', request, limitRequest, dimension);
  }

  /** Adds a separate fact to the next flush. */
  add(fact: UntimedFact): void {
    this.#pending.set(fact.factId, { ...fact, detail: { ...fact.detail, count: 1 } });
  }

  /** Writes what was counted since the last flush and keeps what cannot be written. @throws ServiceError */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.catch(() => undefined).then(() => this.#write());
    return this.#flushing;
  }

  async #write(): Promise<void> {
    // While writes fail, counts stay in their tallies, one per key, so memory stays bounded however long that lasts.
    if (this.#pending.size < MAX_KEYS) this.#tallyToFacts();
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

  #tallyToFacts(): void {
    const tallies = [...this.#tallies].filter(([, { count }]) => count > 0);
    // A key with refusals since the last flush keeps its tally. Any other key reports its next refusal at once.
    this.#tallies = new Map(tallies.map(([name, { fact }]) => [name, { fact, count: 0 }]));
    for (const [, { fact, count }] of tallies) {
      const counted = withCount(fact, count);
      this.#pending.set(counted.factId, counted);
    }
  }
}

/** With the tenant: a request without names has no key for some dimensions. */
function nameOf(
  kind: FactKind,
  { tenant }: RequestToLimit,
  { checks }: LimitRequest,
  dimension: LimitDimension,
): string {
  const key = checks.find((check) => check.dimension === dimension)?.key ?? '';
  return JSON.stringify([kind, tenant, dimension, key]);
}

function withCount(fact: UntimedFact, count: number): UntimedFact {
  return { ...fact, factId: uuid(), detail: { ...fact.detail, count } };
}

function limitFact(
  kind: FactKind,
  request: RequestToLimit,
  { checks }: LimitRequest,
  dimension: LimitDimension,
): UntimedFact {
  const rule = checks.find((check) => check.dimension === dimension)?.rule;
  return {
    ...factOf(kind, request),
    ...(kind === 'limit.refused' ? { outcome: 'rate_limited' } : {}),
    detail: {
      dimension,
      limit: rule?.limit ?? 0,
      periodSeconds: rule?.periodSeconds ?? 0,
      ...(request.action === undefined ? {} : { action: request.action }),
    },
  };
}

/** A fact about a request: identifies the caller by keyed hash, and holds nothing of the sealed payload. */
export function factOf(kind: FactKind, request: RequestToLimit): UntimedFact {
  const { tenant, agent, channel, commandId, callId, callerKey, callerTail, attestation, method } = request;
  return untimedFact(kind, {
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
