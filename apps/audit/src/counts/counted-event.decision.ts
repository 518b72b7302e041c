import { type FactRecorded, type LimitDimension } from '@countersign/contracts';

/** What an event adds to the counts of its kind. */
export interface CountedEvent {
  /** Outcome of an attempt, dimension of a refusal; empty for other kinds. One of few values: each has a row of its own. */
  readonly variant: string;
  /** A refusal can report many requests. */
  readonly count: number;
}

const DIMENSIONS: Readonly<Record<LimitDimension, true>> = {
  ...{ caller: true, call: true, subject: true, agent: true, tenant: true, subjectsPerCaller: true },
};
/** More is no number that a limiter reports, and its sum could leave the range of the column. */
const MAX_COUNT = 1_000_000_000;

/** What a fact adds to the counts of events. Undefined: its kind is not counted. */
export function countedEvent({ kind, outcome, detail }: FactRecorded): CountedEvent | undefined {
  switch (kind) {
    case 'attempt.decided':
      return { variant: outcome ?? 'unavailable', count: 1 };
    case 'limit.refused': {
      const { dimension, count } = detail ?? {};
      const isCount = typeof count === 'number' && Number.isInteger(count) && count > 0 && count <= MAX_COUNT;
      if (typeof dimension !== 'string' || !Object.hasOwn(DIMENSIONS, dimension)) return undefined;
      return { variant: dimension, count: isCount ? count : 1 };
    }
    case 'credential.locked':
    case 'credential.disabled':
    case 'signal.spray':
    case 'signal.pin_spray':
    case 'signal.distributed':
      return { variant: '', count: 1 };
    default:
      return undefined;
  }
}
