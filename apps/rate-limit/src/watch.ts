import { type FactKind, type GuessDescribed, type SignalPolicy } from '@countersign/contracts';
import { type Clock } from '@countersign/service';
import { type Question } from './domain/decide.js';
import { factOf, type Report } from './report.js';

/** Half of the span over which tries are counted. */
const TURN_MS = 300_000;
/** Keys of one span, at most. */
const MOST_KEYS = 20_000;

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
  #spans: [Map<string, Set<string>>, Map<string, Set<string>>] = [
    new Map<string, Set<string>>(),
    new Map<string, Set<string>>(),
  ];
  #told = new Set<string>();
  #turned: number;

  constructor(
    private readonly report: Report,
    private readonly clock: Clock,
    private readonly tighten: Tighten,
  ) {
    this.#turned = clock.now();
  }

  note(request: GuessDescribed, { checks, member }: Question, policy: Required<SignalPolicy>): void {
    this.#turn();
    const keyOf = (dimension: string): string => checks.find((check) => check.dimension === dimension)?.key ?? '';
    const caller = keyOf('caller');
    this.#count('signal.spray', caller, member, policy.subjectsPerCaller, request, policy);
    this.#count('signal.distributed', keyOf('subject'), caller, policy.callersPerSubject, request, policy);
  }

  #count(
    kind: 'signal.spray' | 'signal.distributed',
    key: string,
    other: string,
    most: number,
    request: GuessDescribed,
    policy: Required<SignalPolicy>,
  ): void {
    const name = `${kind}:${key}`;
    const [now, before] = this.#spans;
    const others = now.get(name) ?? new Set(before.get(name));
    if (others.has(other) && now.has(name)) return;
    if (others.size < most) others.add(other);
    if (now.size < MOST_KEYS || now.has(name)) now.set(name, others);
    if (others.size < most || this.#told.has(name)) return;
    this.#told.add(name);
    const seen = kind === 'signal.spray' ? 'subjects' : 'callers';
    const fact = factOf(kind, request);
    const about = kind === 'signal.distributed' && request.subjectKind === 'id' ? { subject: request.subjectRef } : {};
    this.report.add(
      Object.assign(fact, about, { detail: { [seen]: others.size, withinSeconds: (2 * TURN_MS) / 1000 } }),
    );
    if (policy.stricter) this.tighten(request.tenant, STRICTER_SECONDS, kind);
  }

  #turn(): void {
    if (this.clock.now() - this.#turned < TURN_MS) return;
    this.#turned = this.clock.now();
    this.#spans = [new Map<string, Set<string>>(), this.#spans[0]];
    this.#told = new Set();
  }
}
