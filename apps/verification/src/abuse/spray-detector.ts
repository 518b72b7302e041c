import { createHmac, randomBytes } from 'node:crypto';
import { v7 as uuid } from 'uuid';
import {
  factRecorded,
  LimitTightenRequested,
  message,
  SIGNAL_DEFAULTS,
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

/** What a wrong PIN reveals about an attack. It is stored with the outcome of the attempt, or withdrawn. */
export interface SpraySignals {
  readonly facts: readonly FactRecorded[];
  /** Undefined: the policy does not tighten limits after a signal. */
  readonly tighten: LimitTightenRequested | undefined;
  readonly tenant: string;
  /** The counted keys that reached their threshold. */
  readonly keys: readonly string[];
}

/**
 * Detects one wrong PIN at many subjects, and wrong PINs at many subjects from one agent, which no counter of a subject or a
 * caller detects. Counts in memory under a random key that is never stored and is replaced daily, so no form of a PIN remains
 * that could be searched later. Each replica counts the failures of the last five to ten minutes that reach it.
 */
export class SprayDetector {
  #key = randomBytes(32);
  #keyedAt: number;
  readonly #counts = new DistinctMemberCounter(SPAN_MS, MAX_PAIRS);

  /** @param policyOf returns the signal thresholds of an agent's policy */
  constructor(
    private readonly policyOf: (tenant: string, agent: string) => SignalPolicy | undefined,
    private readonly clock: Clock,
  ) {
    this.#keyedAt = clock.now();
  }

  /**
   * Counts a wrong PIN.
   * @param subjectKey keyed hash of the subject reference
   * @param time of the attempt, from the database
   * @returns its signals, each once per span; undefined: none
   */
  addWrongPin(
    { tenant, agent, channel }: Pick<VerificationAdmitted, 'tenant' | 'agent' | 'channel'>,
    subjectKey: string,
    pin: string,
    time: Date,
  ): SpraySignals | undefined {
    const now = this.clock.now();
    this.#replaceExpiredKey(now);
    const policy = { ...SIGNAL_DEFAULTS, ...this.policyOf(tenant, agent) };
    const counted = [
      { kind: 'signal.pin_spray', key: this.#hash('pin', tenant, pin), most: policy.subjectsPerPin },
      { kind: 'signal.spray', key: this.#hash('agent', tenant, agent), most: policy.subjectsPerPin * AGENT_FACTOR },
    ] as const;
    const reached = counted.flatMap(({ kind, key, most }) => {
      const subjects = this.#counts.add(tenant, key, subjectKey, most, now);
      return subjects === undefined ? [] : [{ kind, key, subjects }];
    });
    if (reached.length === 0) return undefined;
    const facts = reached.map(({ kind, subjects }) =>
      factRecorded(kind, time, { tenant, agent, channel, detail: { subjects, withinSeconds: (2 * SPAN_MS) / 1000 } }),
    );
    const tighten = policy.stricter
      ? message(LimitTightenRequested, { commandId: uuid(), tenant, seconds: TIGHTENED_SECONDS })
      : undefined;
    return { facts, tighten, tenant, keys: reached.map(({ key }) => key) };
  }

  /** For signals that were not stored: the next wrong PIN of the same kind returns them again, that of a retry included. */
  withdraw({ tenant, keys }: SpraySignals): void {
    for (const key of keys) this.#counts.reportAgain(tenant, key);
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
