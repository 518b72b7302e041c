/** A number of events of one kind in one step. */
export interface CountedStep {
  readonly time: Date;
  readonly kind: string;
  /** As `CountedEvent` states it. */
  readonly variant: string;
  readonly count: number;
}

/** Steps of one length, from the first included to the last excluded. */
export interface CountedPeriod {
  readonly step: 'minute' | 'hour' | 'day';
  readonly from: Date;
  readonly to: Date;
}

/** The signals of one kind in the last minutes. */
export interface RecentSignals {
  readonly kind: string;
  readonly signals: number;
  /** How many tenants they are about. */
  readonly tenants: number;
}

/** Counts of the events of the log, by the times of the events. */
export abstract class EventCountLog {
  /**
   * @param tenant undefined: the events of all tenants
   * @returns the counts above 0, in the order of their steps
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  abstract counts(tenant: string | undefined, period: CountedPeriod): Promise<CountedStep[]>;

  /**
   * The signals of the last minutes, of all tenants; none for a kind without signals.
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  abstract recentSignals(minutes: number): Promise<RecentSignals[]>;
}
