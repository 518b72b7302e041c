import { createHmac, randomBytes } from 'node:crypto';
import { v7 as uuid } from 'uuid';
import {
  FactRecorded,
  LimitTightenRequested,
  message,
  SIGNAL_DEFAULTS,
  type FactKind,
  type SignalPolicy,
  type VerificationAdmitted,
} from '@countersign/contracts';
import { DistinctMemberCounter } from '@countersign/abuse-signals';
import { type Clock } from '@countersign/runtime';

/** Half of the span over which wrong guesses are counted. */
const TURN_MS = 300_000;
/** After this long nobody can tell any more which PIN a count was of. */
const KEY_MS = 86_400_000;
/** Pairs of a PIN or an agent with a subject, of one span, at most: 20 MB. */
const MOST_PAIRS = 50_000;
const STRICTER_SECONDS = 600;
/** An agent serves many subjects, and some of them are wrong: its number is this many times larger. */
const AGENT_FACTOR = 10;

/**
 * Sees one wrong PIN tried at many subjects, and many subjects with wrong PINs from one agent: what no counter of a
 * subject or a caller sees. Counts in memory, under a random key of the day that is never written anywhere; a PIN stays
 * in no form that could be searched for afterwards. Each copy counts what it hears in the last five to ten minutes.
 */
export class SprayDetector {
  #key = randomBytes(32);
  #keyedAt: number;
  readonly #counts = new DistinctMemberCounter(TURN_MS, MOST_PAIRS);
  #tighten: LimitTightenRequested[] = [];
  readonly #facts = new Map<string, FactRecorded[]>();

  /** @param policyOf the signals of an agent's policy */
  constructor(
    private readonly policyOf: (tenant: string, agent: string) => SignalPolicy | undefined,
    private readonly clock: Clock,
  ) {
    this.#keyedAt = clock.now();
  }

  /**
   * Notes a wrong guess. What it makes visible is told once for its span, by {@link facts} of the same command.
   * @param subjectKey keyed hash of the subject reference
   */
  wrong(command: VerificationAdmitted, subjectKey: string, pin: string): void {
    const now = this.clock.now();
    this.#renewKey(now);
    const { tenant, agent } = command;
    const policy = { ...SIGNAL_DEFAULTS, ...this.policyOf(tenant, agent) };
    const facts: FactRecorded[] = [];
    const note = (kind: FactKind, name: string, most: number): void => {
      const subjects = this.#counts.add(tenant, name, subjectKey, most, now);
      if (subjects !== undefined) facts.push(signal(kind, command, subjects));
    };
    note('signal.pin_spray', this.#hash('pin', tenant, pin), policy.subjectsPerPin);
    note('signal.spray', this.#hash('agent', tenant, agent), policy.subjectsPerPin * AGENT_FACTOR);
    if (facts.length > 0 && policy.stricter) {
      this.#tighten.push(message(LimitTightenRequested, { commandId: uuid(), tenant, seconds: STRICTER_SECONDS }));
    }
    if (facts.length > 0) this.#facts.set(command.commandId, facts);
  }

  /**
   * The facts that a command made visible, once; to be recorded with its verdict.
   * @param time of the attempt, by the database
   */
  facts(commandId: string, time: string): FactRecorded[] {
    const facts = this.#facts.get(commandId) ?? [];
    this.#facts.delete(commandId);
    return facts.map((fact) => Object.assign(fact, { time }));
  }

  /** What the limiter is to be told; once. */
  take(): LimitTightenRequested[] {
    const taken = this.#tighten;
    this.#tighten = [];
    return taken;
  }

  #hash(...parts: readonly string[]): string {
    return createHmac('sha256', this.#key).update(JSON.stringify(parts)).digest('base64url');
  }

  #renewKey(now: number): void {
    if (now - this.#keyedAt < KEY_MS) return;
    this.#key = randomBytes(32);
    this.#keyedAt = now;
    this.#counts.clear();
  }
}

function signal(kind: FactKind, command: VerificationAdmitted, subjects: number): FactRecorded {
  const { tenant, agent, channel } = command;
  const detail = { subjects, withinSeconds: (2 * TURN_MS) / 1000 };
  return message(FactRecorded, {
    factId: uuid(),
    kind,
    time: new Date(0).toISOString(),
    tenant,
    agent,
    channel,
    detail,
  });
}
