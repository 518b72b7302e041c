/** The time of this process. Decisions about attempts and limits use the database's clock instead. */
export abstract class Clock {
  /** Milliseconds; since 1970, UTC, unless the clock says otherwise. */
  abstract now(): number;
}

export class SystemClock extends Clock {
  override now(): number {
    return Date.now();
  }
}

/** A clock that nobody sets: milliseconds since some moment, to measure how long something lasts. */
export class SteadyClock extends Clock {
  override now(): number {
    return performance.now();
  }
}
