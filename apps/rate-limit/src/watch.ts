import { type FactKind, type SignalPolicy } from '@countersign/contracts';
import { DistinctCounts, type Clock } from '@countersign/service';
import { type Question } from './domain/decide.js';
import { type LimitKeys } from './ports.js';
import { type LimitRequest } from './questions.js';
import { factOf, type Report } from './report.js';

/** Half of the span over which tries are counted. */
const TURN_MS = 300_000;
/** Pairs of caller and subject, told apart for both signals, of one span, at most: 20 MB. */
const MOST_PAIRS = 50_000;

/** Told when a tenant's limits have to be tightened. */
export type Tighten = (tenant: string, seconds: number, signal: FactKind) => void;

/** How long limits stay halved after a signal. */
export const STRICTER_SECONDS = 600;

/**
 * Sees what no single limit sees: one caller that asks about many subjects, many callers that ask about one. Counts what
 * this copy hears in the last five to ten minutes, refused or not; told once for each key and span. All records of a
 * subject come to one copy, so that callers of a subject are counted in full; subjects of a caller are spread over copies.
 */
export class Watch {
  readonly #counts = new DistinctCounts(TURN_MS, MOST_PAIRS);

  constructor(
    private readonly report: Report,
    private readonly keys: LimitKeys,
    private readonly clock: Clock,
    private readonly tighten: Tighten,
  ) {}

  /** Requests without a caller or without a subject say nothing about either. */
  note(request: LimitRequest, { checks, member }: Question, policy: Required<SignalPolicy>): void {
    const keyOf = (dimension: string): string | undefined => checks.find((check) => check.dimension === dimension)?.key;
    const [caller, subject] = [keyOf('caller'), keyOf('subject')];
    if (caller === undefined || subject === undefined) return;
    // Who asks about the owner of the own number sprays nobody.
    if (request.subjectIsCaller !== true) {
      this.#count('signal.spray', caller, member, policy.subjectsPerCaller, request, policy);
    }
    this.#count('signal.distributed', subject, caller, policy.callersPerSubject, request, policy);
  }

  #count(
    kind: 'signal.spray' | 'signal.distributed',
    key: string,
    other: string,
    most: number,
    request: LimitRequest,
    policy: Required<SignalPolicy>,
  ): void {
    const count = this.#counts.add(request.tenant, `${kind}:${key}`, other, most, this.clock.now());
    if (count === undefined) return;
    const seen = kind === 'signal.spray' ? 'subjects' : 'callers';
    const fact = factOf(kind, request);
    // Whether anybody has this id is not known here: what a caller said is no name in a public event.
    const { tenant, subjectKind, subjectRef } = request;
    const named = kind === 'signal.distributed' && subjectKind !== undefined && subjectRef !== undefined;
    const about = named ? { subjectKey: this.keys.subjectKey({ tenant, subjectKind, subjectRef }) } : {};
    this.report.add(Object.assign(fact, about, { detail: { [seen]: count, withinSeconds: (2 * TURN_MS) / 1000 } }));
    if (policy.stricter) this.tighten(request.tenant, STRICTER_SECONDS, kind);
  }
}
