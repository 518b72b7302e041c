import { type Requester } from '@countersign/contracts';
import { FairGate } from '@countersign/fairness';
import { ServiceError } from '@countersign/runtime';

export interface RequestGatesOptions {
  /** Requests to one topic under way at a time. */
  readonly maxInFlight: number;
  /** Requests to one topic that wait until they may be sent, at most. */
  readonly maxWaiting: number;
}

/**
 * Bounds what one process has under way on each topic, so that a burst waits here, where tenants take turns and nothing is
 * counted yet, and not in a partition, where the records of all tenants stand in one line. Topics are apart: what needs no
 * hash never waits behind what does.
 */
export class RequestGates {
  readonly #options: RequestGatesOptions;
  readonly #gates = new Map<string, FairGate>();

  constructor(options: RequestGatesOptions) {
    this.#options = options;
  }

  /** Requests that wait until they may be sent. */
  get waiting(): number {
    return [...this.#gates.values()].reduce((sum, gate) => sum + gate.waiting, 0);
  }

  /**
   * Runs a request when it is its turn.
   * @param request gets what is left of `timeoutMs`
   * @throws ServiceError REQUEST_TIMED_OUT or REQUEST_GAVE_WAY (both retriable; nothing was sent), and what `request` throws
   */
  async run<T>(
    topic: string,
    requester: Requester,
    timeoutMs: number,
    request: (restMs: number) => Promise<T>,
  ): Promise<T> {
    const begun = performance.now();
    const leave = await this.#gateOf(topic).enter(requester, timeoutMs);
    try {
      return await request(Math.max(1, timeoutMs - (performance.now() - begun)));
    } finally {
      leave();
    }
  }

  #gateOf(topic: string): FairGate {
    const known = this.#gates.get(topic);
    if (known !== undefined) return known;
    const made = new FairGate({
      slots: this.#options.maxInFlight,
      maxWaiting: this.#options.maxWaiting,
      onTimeout: () => new ServiceError('REQUEST_TIMED_OUT', 'it could not be sent in time', true),
      onEvicted: () => new ServiceError('REQUEST_GAVE_WAY', 'too many requests of its tenant waited', true),
    });
    this.#gates.set(topic, made);
    return made;
  }
}
