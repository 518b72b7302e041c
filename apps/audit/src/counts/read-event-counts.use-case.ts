import { Injectable } from '@nestjs/common';
import { EventCountLog, type CountedPeriod } from './event-counts.ports.js';

/** The events of one step; a count of 0 is absent from the records. */
export interface CountsOfStep {
  readonly time: string;
  readonly attempts: Record<string, number>;
  readonly refusals: Record<string, number>;
  readonly signals: Record<string, number>;
  locked: number;
  disabled: number;
}

const SIGNAL = 'signal.';

/** Reads how many events there were in each step. The answer holds numbers and no events, so no read is recorded. */
@Injectable()
export class ReadEventCounts {
  constructor(private readonly log: EventCountLog) {}

  /** @param tenant undefined: all. @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  async read(tenant: string | undefined, period: CountedPeriod): Promise<CountsOfStep[]> {
    const steps = new Map<string, CountsOfStep>();
    for (const { time, kind, variant, count } of await this.log.counts(tenant, period)) {
      const name = time.toISOString();
      const step = steps.get(name) ?? { time: name, attempts: {}, refusals: {}, signals: {}, locked: 0, disabled: 0 };
      steps.set(name, step);
      if (kind === 'attempt.decided') step.attempts[variant] = count;
      else if (kind === 'limit.refused') step.refusals[variant] = count;
      else if (kind === 'credential.locked') step.locked = count;
      else if (kind === 'credential.disabled') step.disabled = count;
      else if (kind.startsWith(SIGNAL)) step.signals[kind.slice(SIGNAL.length)] = count;
    }
    return [...steps.values()];
  }
}
