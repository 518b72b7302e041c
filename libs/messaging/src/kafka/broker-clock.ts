/** A sample as exact as the best one replaces it; a less exact one only when the best is older than this, in milliseconds. */
const SAMPLE_AGE_MS = 60_000;

/** Milliseconds on a clock that nobody sets: it tells how much time has passed, whatever the system's clock does. */
const steady = (): number => performance.now();

/**
 * The brokers' clock as this process knows it, so that a deadline means the same to who sets it and to who obeys it: a
 * process whose own clock is a day off works like the others. Learned from the time that a broker stamps on a record that
 * is sent to a topic with LogAppendTime; wrong by at most half of that send's round trip, and by what the brokers differ.
 */
export class BrokerClock {
  #ahead: number | undefined;
  #error = Infinity;
  #sampledAt = 0;

  /** @param local the system's clock, milliseconds since 1970, for as long as no broker has told its own */
  constructor(private readonly local: () => number = Date.now) {}

  /** Milliseconds since 1970. */
  now(): number {
    return this.#ahead === undefined ? this.local() : Math.round(steady() + this.#ahead);
  }

  /** Whether a broker has told its time. */
  get known(): boolean {
    return this.#ahead !== undefined;
  }

  /** Begins a send. @returns to be told the time that the broker stamped on the record, in milliseconds since 1970 */
  measure(): (stamped: number) => void {
    const sentAt = steady();
    return (stamped) => {
      const now = steady();
      const error = (now - sentAt) / 2;
      if (error > this.#error && now - this.#sampledAt < SAMPLE_AGE_MS) return;
      this.#ahead = stamped - (sentAt + now) / 2;
      this.#error = error;
      this.#sampledAt = now;
    };
  }
}
