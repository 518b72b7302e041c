import { type AttemptPolicy, type FactRecorded, type VerificationDecided } from '@countersign/contracts';
import { type Clock } from '@countersign/service';
import { afterSuccess, type CallState } from '../domain/call-state.js';
import {
  CREDENTIAL_KINDS,
  FRESH,
  guardRow,
  settle,
  spend,
  unlock,
  type CredentialKind,
  type Guard,
} from '../domain/attempts.js';
import { asSpent } from '../domain/spent-attempt.js';
import {
  AttemptStore,
  type Attempt,
  type CredentialRow,
  type SpendResult,
  type SpentAttempt,
  type UnansweredAttempt,
  type Verdict,
} from '../ports.js';

interface Command {
  attempt: Attempt;
  spent: SpentAttempt;
  receivedAt: number;
  reply?: VerificationDecided;
}

/** The twin of the PostgreSQL store for tests of use cases. JavaScript runs one step at a time, so it is atomic too. */
export class MemoryAttemptStore extends AttemptStore {
  readonly facts: FactRecorded[] = [];
  /** States of calls, by tenant and call. */
  readonly calls = new Map<string, CallState>();
  readonly #guards = new Map<string, Guard>();
  readonly #commands = new Map<string, Command>();
  readonly #unlocked = new Set<string>();

  constructor(
    private readonly clock: Clock,
    /** Whether a credential is the one in force; the memory of subjects knows. */
    private readonly inForce: (compared: CredentialRow) => Promise<boolean> = () => Promise.resolve(true),
  ) {
    super();
  }

  override spend(attempt: Attempt, policy: AttemptPolicy): Promise<SpendResult> {
    const now = this.clock.now();
    const known = this.#commands.get(attempt.commandId);
    if (known && known.receivedAt > now - attempt.repeatSeconds * 1000)
      return Promise.resolve(recalled(known, attempt));
    const key = keyOf(attempt.tenant, attempt.guardKey, attempt.method);
    const { guard, ...result } = spend(this.#guards.get(key) ?? FRESH, attempt, now, policy);
    this.#guards.set(key, guard);
    const spent = asSpent({
      ...result,
      attemptId: attempt.attemptId,
      number: guard.tries,
      spentAt: new Date(now).toISOString(),
    });
    this.#commands.set(attempt.commandId, { attempt, spent, receivedAt: now });
    return Promise.resolve({ kind: 'spent', attempt: spent });
  }

  override async close(verdict: Verdict): Promise<VerificationDecided | 'outdated'> {
    if (verdict.compared && !(await this.inForce(verdict.compared))) return 'outdated';
    return this.#write(verdict);
  }

  #write({ tenant, attempt, caller, reply, facts, call }: Verdict): VerificationDecided {
    const command = [...this.#commands.values()].find((known) => known.spent.attemptId === attempt.attemptId);
    if (!command) return reply;
    if (command.reply) return command.reply;
    command.reply = reply;
    const key = keyOf(command.attempt.tenant, command.attempt.guardKey, command.attempt.method);
    this.#guards.set(key, settle(this.#guards.get(key) ?? FRESH, attempt, caller, reply.outcome === 'verified'));
    this.facts.push(...facts);
    if (call) {
      const { callId, ...success } = call;
      this.calls.set(`${tenant}/${callId}`, afterSuccess(this.calls.get(`${tenant}/${callId}`), success));
    }
    return reply;
  }

  override unanswered(commandId: string, tenant: string): Promise<UnansweredAttempt | 'answered' | undefined> {
    const known = this.#commands.get(commandId);
    if (!known) return Promise.resolve(undefined);
    if (known.attempt.tenant !== tenant || known.reply) return Promise.resolve('answered');
    const { fingerprint, guardKey, subject } = known.attempt;
    return Promise.resolve({ attempt: known.spent, fingerprint, guardKey, subject });
  }

  override unlock(
    commandId: string,
    tenant: string,
    guardKey: string,
    factAt: (time: string) => FactRecorded,
  ): Promise<void> {
    if (this.#unlocked.has(commandId)) return Promise.resolve();
    this.#unlocked.add(commandId);
    for (const kind of CREDENTIAL_KINDS) this.change(tenant, guardKey, kind, unlock);
    this.facts.push(factAt(new Date(this.clock.now()).toISOString()));
    return Promise.resolve();
  }

  /** Milliseconds since 1970. */
  now(): number {
    return this.clock.now();
  }

  /** Undefined: nobody ever guessed. */
  guard(tenant: string, guardKey: string, kind: CredentialKind): Guard | undefined {
    return this.#guards.get(keyOf(tenant, guardKey, kind));
  }

  /** Changes a counter between tries; where there is none, there is nothing to change. */
  change(tenant: string, guardKey: string, kind: CredentialKind, by: (guard: Guard) => Guard): void {
    const guard = this.guard(tenant, guardKey, kind);
    if (guard) this.#guards.set(keyOf(tenant, guardKey, kind), by(guard));
  }
}

const keyOf = (tenant: string, guardKey: string, kind: CredentialKind): string =>
  `${tenant}/${guardRow(guardKey, kind)}`;

function recalled(known: Command, attempt: Attempt): SpendResult {
  if (known.attempt.fingerprint !== attempt.fingerprint) return { kind: 'mismatch' };
  if (known.reply) return { kind: 'answered', reply: known.reply };
  return { kind: 'unanswered', attempt: known.spent };
}
