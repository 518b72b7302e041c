/** A less precise sample replaces the best one only when that is older than this, in milliseconds. */
const SAMPLE_AGE_MS = 60_000;

/** Milliseconds on a monotonic clock, which adjustments of the system clock do not affect. */
const monotonicMs = (): number => performance.now();

/**
 * The brokers' clock as this process knows it, so a deadline means the same to all processes, even when a local clock
 * is a day off. Learned from the time that a broker stamps on a record sent to a topic with LogAppendTime. The error is
 * at most half the round trip of that send, plus the difference between the brokers.
 */
export class BrokerClock {
  #offsetMs: number | undefined;
  #errorMs = Infinity;
  #sampledAt = 0;

  /** @param local the system clock in milliseconds since 1970, used until a broker has stamped a record */
  constructor(private readonly local: () => number = Date.now) {}

  /** Milliseconds since 1970. */
  now(): number {
    return this.#offsetMs === undefined ? this.local() : Math.round(monotonicMs() + this.#offsetMs);
  }

  /** Whether a broker has stamped a record yet. */
  get isSynchronized(): boolean {
    return this.#offsetMs !== undefined;
  }

  /**
   * Call before a send.
   * @returns a function to call with the time that the broker stamped on the record, in milliseconds since 1970
   */
  measure(): (brokerTimeMs: number) => void {
    const sentAt = monotonicMs();
    return (brokerTimeMs) => {
      const now = monotonicMs();
      const error = (now - sentAt) / 2;
      if (error > this.#errorMs && now - this.#sampledAt < SAMPLE_AGE_MS) return;
      this.#offsetMs = brokerTimeMs - (sentAt + now) / 2;
      this.#errorMs = error;
      this.#sampledAt = now;
    };
  }
}
