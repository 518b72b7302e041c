import { type FactRecorded } from '@countersign/contracts';
import { type Clock } from '@countersign/service';
import { admit, EMPTY, type SlidingLog } from '../domain/sliding-log.js';
import { LimitStore, type LimitDecision, type LimitRequest } from '../ports.js';

/** The twin of the PostgreSQL store for tests of use cases. */
export class MemoryLimitStore extends LimitStore {
  readonly facts: FactRecorded[] = [];
  readonly #logs = new Map<string, SlidingLog>();

  constructor(private readonly clock: Clock) {
    super();
  }

  override admit(request: LimitRequest): Promise<LimitDecision> {
    const now = this.clock.now();
    const { admitted, retryAt, log } = admit(
      this.#logs.get(request.key) ?? EMPTY,
      request.commandId,
      now,
      request.limit,
    );
    this.#logs.set(request.key, log);
    if (admitted) return Promise.resolve({ admitted, retryAfterSeconds: undefined });
    this.facts.push(Object.assign(request.refusal, { time: new Date(now).toISOString() }));
    return Promise.resolve({ admitted, retryAfterSeconds: Math.max(1, Math.ceil(((retryAt ?? now) - now) / 1000)) });
  }
}
