import { encodeMessage, message, VerificationDecided, type AttemptPolicy } from '@countersign/contracts';
import { traceHeaders } from '@countersign/observability';
import { Batched, type Database } from '@countersign/persistence';
import { ServiceError } from '@countersign/service';
import { AttemptStore, type Attempt, type SpendResult, type SpentAttempt, type Verdict } from '../ports.js';
import { CLOSE, RECALL, SPEND } from './attempt.sql.js';

interface SpentRow {
  number: string;
  granted: boolean;
  charged_lock: boolean;
  attempts_left: number;
  spent_at: Date;
}

interface RecallRow extends SpentRow {
  fingerprint: string;
  reply: string | null;
  attempt_id: string;
  guard_key: string;
  subject_id: string | null;
  outcome: string | null;
}

interface Try {
  readonly attempt: Attempt;
  readonly policy: AttemptPolicy;
}

/** A verdict, and its facts as rows of the outbox. */
interface Closing {
  readonly verdict: Verdict;
  readonly facts: string;
}

/** The gate and the ledger in PostgreSQL. Tries and verdicts of one moment share a statement. */
export class PostgresAttemptStore extends AttemptStore {
  readonly #spend: Batched<Try, SpentRow | undefined>;
  readonly #close: Batched<Closing, boolean>;

  constructor(
    private readonly database: Database,
    /** Called after a commit that left something in the outbox. */
    private readonly wakeRelay: () => void,
    /**
     * Whether further verdicts are certain within moments. Then they are written together, and whatever follows a verdict
     * travels together too: one statement, one record batch, one answer to the adapter.
     */
    moreVerdictsToCome: () => boolean = () => false,
  ) {
    super();
    this.#spend = new Batched({
      rows: ({ attempt }) => [`command ${attempt.commandId}`, guardOf(attempt.tenant, attempt.guardKey)],
      run: (tries) => this.#spendAll(tries),
    });
    this.#close = new Batched({
      rows: ({ verdict }) => [`command ${verdict.reply.commandId}`, guardOf(verdict.tenant, verdict.guardKey)],
      run: (closings) => this.#closeAll(closings),
      moreToCome: moreVerdictsToCome,
    });
  }

  override async spend(attempt: Attempt, policy: AttemptPolicy): Promise<SpendResult> {
    const row = await this.#spend.call({ attempt, policy });
    if (row) return { kind: 'spent', attempt: spentAttempt(attempt.attemptId, row) };
    const known = await this.#recall(attempt.commandId);
    if (known.fingerprint !== attempt.fingerprint) return { kind: 'mismatch' };
    if (known.reply !== null) return { kind: 'answered', reply: parseReply(known.reply) };
    return { kind: 'unanswered', attempt: spentAttempt(known.attempt_id, known) };
  }

  override async close(verdict: Verdict): Promise<VerificationDecided> {
    // Here and not in the statement for many: the trace is that of this command.
    const encoded = verdict.facts.map((fact) => encodeMessage(fact.factId, fact, traceHeaders()));
    if (await this.#close.call({ verdict, facts: JSON.stringify(encoded) })) return verdict.reply;
    const known = await this.#recall(verdict.reply.commandId);
    return known.reply === null ? verdict.reply : parseReply(known.reply);
  }

  async #spendAll(tries: readonly Try[]): Promise<(SpentRow | undefined)[]> {
    const of = <T>(read: (one: Attempt) => T): T[] => tries.map(({ attempt }) => read(attempt));
    const by = (read: (policy: AttemptPolicy) => number): number[] => tries.map(({ policy }) => read(policy));
    const rows = await this.database.prepared<SpentRow & { attempt_id: string }>('verification.spend', SPEND, [
      of(({ commandId }) => commandId),
      of(({ fingerprint }) => fingerprint),
      of(({ attemptId }) => attemptId),
      of(({ repeatSeconds }) => repeatSeconds),
      of(({ tenant }) => tenant),
      of(({ guardKey }) => guardKey),
      by(({ perWindow }) => perWindow),
      by(({ windowSeconds }) => windowSeconds),
      by(({ lockSeconds }) => lockSeconds),
      by(({ maxLockSeconds }) => maxLockSeconds),
      of(({ agent }) => agent),
      of(({ subject }) => subject ?? null),
    ]);
    const spent = new Map(rows.map((row) => [row.attempt_id, row]));
    return of(({ attemptId }) => spent.get(attemptId));
  }

  /** Whether each verdict was the first of its attempt. */
  async #closeAll(closings: readonly Closing[]): Promise<boolean[]> {
    const of = <T>(read: (verdict: Verdict) => T): T[] => closings.map(({ verdict }) => read(verdict));
    const rows = await this.database.prepared<{ attempt_id: string }>('verification.close', CLOSE, [
      of(({ attempt }) => attempt.attemptId),
      of(({ reply }) => reply.outcome),
      of(({ reply }) => JSON.stringify(reply)),
      of(({ reply }) => reply.commandId),
      closings.map(({ facts }) => facts),
    ]);
    if (rows.length > 0) this.wakeRelay();
    const closed = new Set(rows.map((row) => row.attempt_id));
    return of(({ attempt }) => closed.has(attempt.attemptId));
  }

  override async unanswered(
    commandId: string,
  ): Promise<(SpentAttempt & { guardKey: string; subject?: string }) | undefined> {
    const [row] = await this.database.query<RecallRow>(RECALL, [commandId]);
    if (!row || row.outcome !== null) return undefined;
    return {
      ...spentAttempt(row.attempt_id, row),
      guardKey: row.guard_key,
      ...(row.subject_id === null ? {} : { subject: row.subject_id }),
    };
  }

  async #recall(commandId: string): Promise<RecallRow> {
    const [row] = await this.database.query<RecallRow>(RECALL, [commandId]);
    if (row) return row;
    throw new ServiceError('INTERNAL', 'A claimed command has no attempt', true);
  }
}

const guardOf = (tenant: string, guardKey: string): string => `guard ${tenant} ${guardKey}`;

function spentAttempt(attemptId: string, row: SpentRow): SpentAttempt {
  return {
    attemptId,
    number: Number(row.number),
    granted: row.granted,
    chargedLock: row.charged_lock,
    left: row.attempts_left,
    spentAt: row.spent_at.toISOString(),
  };
}

function parseReply(text: string): VerificationDecided {
  return message(VerificationDecided, JSON.parse(text) as VerificationDecided);
}
