import { type Requester } from '@countersign/contracts';
import { FairGate } from '@countersign/fairness';
import { ServiceError } from '@countersign/runtime';

export interface RequestGatesOptions {
  /** Requests to one topic in flight at a time. */
  readonly maxInFlight: number;
  /** Requests to one topic that wait to be sent, at most. */
  readonly maxWaiting: number;
}

/**
 * Limits the requests that one process has in flight on each topic. A burst then waits here, where tenants are served
 * in fair order, and not in a partition, where the records of all tenants are in one queue. Each topic has its own
 * limit, so that requests without hashing never wait behind requests with hashing.
 */
export class RequestGates {
  readonly #options: RequestGatesOptions;
  readonly #gates = new Map<string, FairGate>();

  constructor(options: RequestGatesOptions) {
    this.#options = options;
  }

  /** Requests that wait to be sent. */
  get waiting(): number {
    return [...this.#gates.values()].reduce((sum, gate) => sum + gate.waiting, 0);
  }

  /**
   * Runs a request when it gets a slot.
   * @param request gets the remaining part of `timeoutMs`
   * @throws ServiceError REQUEST_TIMED_OUT or REQUEST_GAVE_WAY (both retriable; nothing was sent), and errors of
   * `request`
   */
  async run<T>(
    topic: string,
    requester: Requester,
    timeoutMs: number,
    request: (restMs: number) => Promise<T>,
  ): Promise<T> {
    const startedAt = performance.now();
    const leave = await this.#gateOf(topic).enter(requester, timeoutMs);
    try {
      return await request(Math.max(1, timeoutMs - (performance.now() - startedAt)));
    } finally {
      leave();
    }
  }

  #gateOf(topic: string): FairGate {
    const known = this.#gates.get(topic);
    if (known !== undefined) return known;
    const created = new FairGate({
      slots: this.#options.maxInFlight,
      maxWaiting: this.#options.maxWaiting,
      onTimeout: () => new ServiceError('REQUEST_TIMED_OUT', 'the request could not be sent in time', true),
      onEvicted: () => new ServiceError('REQUEST_GAVE_WAY', 'too many requests of the tenant were waiting', true),
    });
    this.#gates.set(topic, created);
    return created;
  }
}
