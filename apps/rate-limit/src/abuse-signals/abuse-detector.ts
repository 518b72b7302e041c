import { type FactKind, type SignalPolicy } from '@countersign/contracts';
import { DistinctMemberCounter } from '@countersign/abuse-signals';
import { type Clock } from '@countersign/runtime';
import { type LimitRequest } from '../limits/limit.decision.js';
import { type LimitKeys } from '../limits/limits.ports.js';
import { type RequestToLimit } from '../limits/limit-request.js';
import { factOf, type RefusalReport } from '../refusals/refusal-report.js';

/** Half of the span over which tries are counted. */
const TURN_MS = 300_000;
/** Pairs of caller and subject, told apart for both signals, of one span, at most: 20 MB. */
const MOST_PAIRS = 50_000;

/** Told when a tenant's limits have to be tightened. */
export type Tighten = (tenant: string, seconds: number, signal: FactKind) => void;

/** How long limits stay halved after a signal. */
export const TIGHTENED_SECONDS = 600;

/**
 * Sees what no single limit sees: one caller that asks about many subjects, many callers that ask about one. Counts what
 * this copy hears in the last five to ten minutes, refused or not; told once for each key and span. All records of a
 * subject come to one copy, so that callers of a subject are counted in full; subjects of a caller are spread over copies.
 */
export class AbuseDetector {
  readonly #counts = new DistinctMemberCounter(TURN_MS, MOST_PAIRS);

  constructor(
    private readonly report: RefusalReport,
    private readonly keys: LimitKeys,
    private readonly clock: Clock,
    private readonly tighten: Tighten,
  ) {}

  /** Requests without a caller or without a subject say nothing about either. */
  note(request: RequestToLimit, { checks, member }: LimitRequest, policy: Required<SignalPolicy>): void {
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
    request: RequestToLimit,
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
    if (policy.stricter) this.tighten(request.tenant, TIGHTENED_SECONDS, kind);
  }
}
