import { type AttemptPolicy, type FactRecorded, type VerificationDecided } from '@countersign/contracts';
import { type Clock } from '@countersign/service';
import { afterSuccess, type CallState } from '../domain/call-state.js';
import { FRESH, settle, spend, type Guard } from '../domain/attempts.js';
import { AttemptStore, type Attempt, type SpendResult, type SpentAttempt, type Verdict } from '../ports.js';

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

  constructor(private readonly clock: Clock) {
    super();
  }

  override spend(attempt: Attempt, policy: AttemptPolicy): Promise<SpendResult> {
    const now = this.clock.now();
    const known = this.#commands.get(attempt.commandId);
    if (known && known.receivedAt > now - attempt.repeatSeconds * 1000)
      return Promise.resolve(recalled(known, attempt));
    const key = `${attempt.tenant}/${attempt.guardKey}`;
    const { guard, ...result } = spend(this.#guards.get(key) ?? FRESH, now, policy);
    this.#guards.set(key, guard);
    const spent: SpentAttempt = {
      ...result,
      attemptId: attempt.attemptId,
      number: guard.tries,
      spentAt: new Date(now).toISOString(),
    };
    this.#commands.set(attempt.commandId, { attempt, spent, receivedAt: now });
    return Promise.resolve({ kind: 'spent', attempt: spent });
  }

  override close({ tenant, attempt, reply, facts, call }: Verdict): Promise<VerificationDecided> {
    const command = [...this.#commands.values()].find((known) => known.spent.attemptId === attempt.attemptId);
    if (!command) return Promise.resolve(reply);
    if (command.reply) return Promise.resolve(command.reply);
    command.reply = reply;
    const key = `${command.attempt.tenant}/${command.attempt.guardKey}`;
    this.#guards.set(key, settle(this.#guards.get(key) ?? FRESH, reply.outcome === 'verified'));
    this.facts.push(...facts);
    if (call) {
      const { callId, ...success } = call;
      this.calls.set(`${tenant}/${callId}`, afterSuccess(this.calls.get(`${tenant}/${callId}`), success));
    }
    return Promise.resolve(reply);
  }

  override unanswered(commandId: string): Promise<(SpentAttempt & { guardKey: string; subject?: string }) | undefined> {
    const known = this.#commands.get(commandId);
    if (!known || known.reply) return Promise.resolve(undefined);
    const { guardKey, subject } = known.attempt;
    return Promise.resolve({ ...known.spent, guardKey, ...(subject === undefined ? {} : { subject }) });
  }
}

function recalled(known: Command, attempt: Attempt): SpendResult {
  if (known.attempt.fingerprint !== attempt.fingerprint) return { kind: 'mismatch' };
  if (known.reply) return { kind: 'answered', reply: known.reply };
  return { kind: 'unanswered', attempt: known.spent };
}
