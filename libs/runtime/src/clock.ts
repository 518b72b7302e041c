/** The time of this process. Attempts and limits use the database's clock instead, which all copies share. */
export abstract class Clock {
  /** Milliseconds since 1970, UTC, unless the implementation says otherwise. */
  abstract now(): number;
}

export class SystemClock extends Clock {
  override now(): number {
    return Date.now();
  }
}

/** Milliseconds since an arbitrary moment. Monotonic: for durations, which a correction of the system time must not change. */
export class SteadyClock extends Clock {
  override now(): number {
    return performance.now();
  }
}
