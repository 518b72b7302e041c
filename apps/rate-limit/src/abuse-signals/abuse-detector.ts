import { type SignalPolicy } from '@countersign/contracts';
import { DistinctMemberCounter } from '@countersign/abuse-signals';
import { type Clock } from '@countersign/runtime';
import { type LimitRequest } from '../limits/limit.decision.js';
import { type LimitKeyring } from '../limits/limits.ports.js';
import { type RequestToLimit } from '../limits/limit-requests.js';
import { factOf, type RefusalReport } from '../refusals/refusal-report.js';

/** Length of one counting span, in milliseconds; requests of the current and the previous span count. */
const SPAN_MS = 300_000;
/** Pairs of caller and subject in one span, over both signals: about 20 MB. */
const MAX_PAIRS = 50_000;

/** Tightens the limits of a tenant after a signal. */
export type Tighten = (tenant: string, seconds: number) => void;

/** How long limits stay halved after a signal, in seconds. */
const TIGHTENED_SECONDS = 600;

/**
 * Detects what no single limit detects: one caller with many subjects (a spray), and many callers for one subject
 * (distributed guessing). Counts the requests of the last five to ten minutes that reach this replica, refused ones included,
 * and reports each key once per span. All records of a subject reach one replica, so its callers are counted completely. The
 * subjects of a caller are spread over replicas.
 */
export class AbuseDetector {
  readonly #counts = new DistinctMemberCounter(SPAN_MS, MAX_PAIRS);

  constructor(
    private readonly report: RefusalReport,
    private readonly keyring: LimitKeyring,
    private readonly clock: Clock,
    private readonly tighten: Tighten,
  ) {}

  /** Ignores requests without a caller or without a subject. */
  note(request: RequestToLimit, { checks, member }: LimitRequest, policy: Required<SignalPolicy>): void {
    const keyOf = (dimension: string): string | undefined => checks.find((check) => check.dimension === dimension)?.key;
    const [caller, subject] = [keyOf('caller'), keyOf('subject')];
    if (caller === undefined || subject === undefined) return;
    // Verifying as the owner of the calling number is no spray.
    if (request.subjectIsCaller !== true) {
      this.#count('signal.spray', caller, member, policy.subjectsPerCaller, request, policy);
    }
    this.#count('signal.distributed', subject, caller, policy.callersPerSubject, request, policy);
  }

  #count(
    kind: 'signal.spray' | 'signal.distributed',
    key: string,
    member: string,
    threshold: number,
    request: RequestToLimit,
    policy: Required<SignalPolicy>,
  ): void {
    const count = this.#counts.add(request.tenant, `${kind}:${key}`, member, threshold, this.clock.now());
    if (count === undefined) return;
    const counted = kind === 'signal.spray' ? 'subjects' : 'callers';
    const fact = factOf(kind, request);
    // The subject may be text that a caller made up, so the event holds its keyed hash.
    const { tenant, subjectKind, subjectRef } = request;
    const named = kind === 'signal.distributed' && subjectKind !== undefined && subjectRef !== undefined;
    const about = named ? { subjectKey: this.keyring.first.subjectKey({ tenant, subjectKind, subjectRef }) } : {};
    this.report.add({ ...fact, ...about, detail: { [counted]: count, withinSeconds: (2 * SPAN_MS) / 1000 } });
    if (policy.stricter) this.tighten(request.tenant, TIGHTENED_SECONDS);
  }
}
