import {
  type AttemptPolicy,
  type FactRecorded,
  type LimitTightenRequested,
  type Outcome,
  type VerificationDecided,
} from '@countersign/contracts';
import { type Clock } from '@countersign/runtime';
import { type RecordedSuccess } from '../src/calls/call-state.decision.js';
import {
  CREDENTIAL_KINDS,
  NEW_COUNTER,
  counterKeyOf,
  applyOutcome,
  countAttempt,
  unlock,
  type CredentialKind,
  type AttemptCounter,
} from '../src/attempts/gate/attempt-counter.decision.js';
import { asCountedAttempt, type CountedAttempt } from '../src/attempts/counted-attempt.decision.js';
import {
  AttemptGate,
  type AttemptToCount,
  type CountResult,
  type UndecidedAttempt,
  type AttemptOutcome,
} from '../src/attempts/attempts.ports.js';
import { type CredentialRow } from '../src/credentials/credential.decision.js';

interface Command {
  attempt: AttemptToCount;
  counted: CountedAttempt;
  receivedAt: number;
  reply?: VerificationDecided;
}

/** An attempt with its outcome. */
export interface ClosedAttempt {
  readonly attempt: AttemptToCount;
  readonly outcome: Outcome;
  /** What is kept of a success. */
  success: RecordedSuccess | undefined;
}

/** The fake of the PostgreSQL store for tests of use cases. JavaScript runs one step at a time, so it is atomic too. */
export class FakeAttemptGate extends AttemptGate {
  readonly facts: FactRecorded[] = [];
  readonly tightened: LimitTightenRequested[] = [];
  /** Attempts in the order of their outcomes. */
  readonly ledger: ClosedAttempt[] = [];
  /** What is stored of recognized callers, by credential and caller. */
  readonly sealedCallers = new Map<string, string>();
  readonly #counters = new Map<string, AttemptCounter>();
  readonly #commands = new Map<string, Command>();
  readonly #unlocked = new Set<string>();

  constructor(
    private readonly clock: Clock,
    /** Whether a credential is the one in force, by the fake of the subject store. */
    private readonly inForce: (compared: CredentialRow) => Promise<boolean> = () => Promise.resolve(true),
  ) {
    super();
  }

  override count(attempt: AttemptToCount, policy: AttemptPolicy): Promise<CountResult> {
    const now = this.clock.now();
    const known = this.#commands.get(attempt.commandId);
    if (known && known.receivedAt > now - known.attempt.repeatSeconds * 1000)
      return Promise.resolve(recalled(known, attempt));
    const key = keyOf(attempt.tenant, attempt.referenceKey, attempt.method);
    const { counter, ...result } = countAttempt(this.#counters.get(key) ?? NEW_COUNTER, attempt, now, policy);
    this.#counters.set(key, counter);
    const counted = asCountedAttempt({
      ...result,
      attemptId: attempt.attemptId,
      number: counter.attempts,
      countedAt: new Date(now).toISOString(),
    });
    this.#commands.set(attempt.commandId, { attempt, counted, receivedAt: now });
    return Promise.resolve({ kind: 'counted', attempt: counted });
  }

  override async decide(attemptOutcome: AttemptOutcome): Promise<VerificationDecided | 'outdated'> {
    if (attemptOutcome.compared && !(await this.inForce(attemptOutcome.compared))) return 'outdated';
    return this.#write(attemptOutcome);
  }

  #write({
    attempt,
    caller,
    sealedCaller,
    compared,
    reply,
    facts,
    tighten,
    success,
  }: AttemptOutcome): VerificationDecided {
    const command = [...this.#commands.values()].find((known) => known.counted.attemptId === attempt.attemptId);
    if (!command) return reply;
    if (command.reply) return command.reply;
    command.reply = reply;
    const key = keyOf(command.attempt.tenant, command.attempt.referenceKey, command.attempt.method);
    const counter = this.#counters.get(key) ?? NEW_COUNTER;
    this.#counters.set(key, applyOutcome(counter, attempt, caller, reply.outcome === 'verified'));
    if (sealedCaller !== undefined && compared !== undefined) {
      const { tenant, subject, kind } = compared;
      this.sealedCallers.set([tenant, subject, kind, caller].join('/'), sealedCaller);
    }
    this.facts.push(...facts);
    if (tighten !== undefined) this.tightened.push(tighten);
    this.ledger.push({ attempt: command.attempt, outcome: reply.outcome, success });
    return reply;
  }

  override undecided(commandId: string, tenant: string): Promise<UndecidedAttempt | 'answered' | undefined> {
    const known = this.#commands.get(commandId);
    if (!known) return Promise.resolve(undefined);
    if (known.attempt.tenant !== tenant || known.reply) return Promise.resolve('answered');
    const { fingerprint, referenceKey, subject } = known.attempt;
    return Promise.resolve({ attempt: known.counted, fingerprint, referenceKey, subject });
  }

  override unlock(
    commandId: string,
    tenant: string,
    referenceKey: string,
    factAt: (time: Date) => FactRecorded,
  ): Promise<void> {
    if (this.#unlocked.has(commandId)) return Promise.resolve();
    this.#unlocked.add(commandId);
    for (const kind of CREDENTIAL_KINDS) this.change(tenant, referenceKey, kind, unlock);
    this.facts.push(factAt(new Date(this.clock.now())));
    return Promise.resolve();
  }

  /** Binds a success to the version that its caller has put in the place of the one that was compared. */
  carryOver(verificationId: string, credentialVersion: number): void {
    const kept = this.ledger.find(({ success }) => success?.verificationId === verificationId);
    if (kept?.success) kept.success = { ...kept.success, credentialVersion };
  }

  /** Milliseconds since 1970. */
  now(): number {
    return this.clock.now();
  }

  /** Undefined: there was no attempt yet. */
  counter(tenant: string, referenceKey: string, kind: CredentialKind): AttemptCounter | undefined {
    return this.#counters.get(keyOf(tenant, referenceKey, kind));
  }

  /** Changes a counter between attempts; where there is none, there is nothing to change. */
  change(
    tenant: string,
    referenceKey: string,
    kind: CredentialKind,
    by: (counter: AttemptCounter) => AttemptCounter,
  ): void {
    const counter = this.counter(tenant, referenceKey, kind);
    if (counter) this.#counters.set(keyOf(tenant, referenceKey, kind), by(counter));
  }
}

const keyOf = (tenant: string, referenceKey: string, kind: CredentialKind): string =>
  `${tenant}/${counterKeyOf(referenceKey, kind)}`;

function recalled(known: Command, attempt: AttemptToCount): CountResult {
  if (known.attempt.fingerprint !== attempt.fingerprint) return { kind: 'mismatch' };
  if (known.reply) return { kind: 'answered', reply: known.reply };
  return { kind: 'unanswered', attempt: known.counted };
}
