import { createHmac, randomBytes } from 'node:crypto';
import { v7 as uuid } from 'uuid';
import {
  factRecorded,
  LimitTightenRequested,
  message,
  SIGNAL_DEFAULTS,
  type FactKind,
  type FactRecorded,
  type SignalPolicy,
  type VerificationAdmitted,
} from '@countersign/contracts';
import { DistinctMemberCounter } from '@countersign/abuse-signals';
import { type Clock } from '@countersign/runtime';

/** Length of one counting span, in milliseconds; failures of the current and the previous span count. */
const SPAN_MS = 300_000;
/** Lifetime of the random key, in milliseconds. After it, no count can be related to a PIN. */
const KEY_LIFETIME_MS = 86_400_000;
/** Pairs of a PIN or an agent with a subject in one span: about 20 MB. */
const MAX_PAIRS = 50_000;
/** How long limits stay halved after a signal, in seconds. */
const TIGHTENED_SECONDS = 600;
/** An agent serves many subjects, and some fail honestly, so its threshold is this many times higher. */
const AGENT_FACTOR = 10;

/**
 * Detects one wrong PIN at many subjects, and wrong PINs at many subjects from one agent, which no counter of a subject or a
 * caller detects. Counts in memory under a random key that is never stored and is replaced daily, so no form of a PIN remains
 * that could be searched later. Each replica counts the failures of the last five to ten minutes that reach it.
 */
export class SprayDetector {
  #key = randomBytes(32);
  #keyedAt: number;
  readonly #counts = new DistinctMemberCounter(SPAN_MS, MAX_PAIRS);
  #tighten: LimitTightenRequested[] = [];
  readonly #facts = new Map<string, FactRecorded[]>();

  /** @param policyOf returns the signal thresholds of an agent's policy */
  constructor(
    private readonly policyOf: (tenant: string, agent: string) => SignalPolicy | undefined,
    private readonly clock: Clock,
  ) {
    this.#keyedAt = clock.now();
  }

  /**
   * Notes a wrong PIN. A signal that it causes is reported once per span, by {@link facts} of the same command.
   * @param subjectKey keyed hash of the subject reference
   * @param time of the attempt, from the database
   */
  wrong(command: VerificationAdmitted, subjectKey: string, pin: string, time: Date): void {
    const now = this.clock.now();
    this.#replaceExpiredKey(now);
    const { tenant, agent } = command;
    const policy = { ...SIGNAL_DEFAULTS, ...this.policyOf(tenant, agent) };
    const facts: FactRecorded[] = [];
    const note = (kind: FactKind, name: string, most: number): void => {
      const subjects = this.#counts.add(tenant, name, subjectKey, most, now);
      if (subjects !== undefined) facts.push(signal(kind, time, command, subjects));
    };
    note('signal.pin_spray', this.#hash('pin', tenant, pin), policy.subjectsPerPin);
    note('signal.spray', this.#hash('agent', tenant, agent), policy.subjectsPerPin * AGENT_FACTOR);
    if (facts.length > 0 && policy.stricter) {
      this.#tighten.push(message(LimitTightenRequested, { commandId: uuid(), tenant, seconds: TIGHTENED_SECONDS }));
    }
    if (facts.length > 0) this.#facts.set(command.commandId, facts);
  }

  /** Returns the signals of a command once, to be stored with its outcome. */
  facts(commandId: string): FactRecorded[] {
    const facts = this.#facts.get(commandId) ?? [];
    this.#facts.delete(commandId);
    return facts;
  }

  /** Returns the messages that tighten limits, each once. */
  take(): LimitTightenRequested[] {
    const taken = this.#tighten;
    this.#tighten = [];
    return taken;
  }

  #hash(...parts: readonly string[]): string {
    return createHmac('sha256', this.#key).update(JSON.stringify(parts)).digest('base64url');
  }

  #replaceExpiredKey(now: number): void {
    if (now - this.#keyedAt < KEY_LIFETIME_MS) return;
    this.#key = randomBytes(32);
    this.#keyedAt = now;
    this.#counts.clear();
  }
}

function signal(kind: FactKind, time: Date, command: VerificationAdmitted, subjects: number): FactRecorded {
  const { tenant, agent, channel } = command;
  const detail = { subjects, withinSeconds: (2 * SPAN_MS) / 1000 };
  return factRecorded(kind, time, { tenant, agent, channel, detail });
}
