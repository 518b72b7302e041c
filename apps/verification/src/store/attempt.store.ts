import { encodeMessage, message, VerificationDecided, type AttemptPolicy } from '@countersign/contracts';
import { traceHeaders } from '@countersign/observability';
import { type Database } from '@countersign/persistence';
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

/** The gate and the ledger in PostgreSQL. */
export class PostgresAttemptStore extends AttemptStore {
  constructor(
    private readonly database: Database,
    /** Called after a commit that left something in the outbox. */
    private readonly wakeRelay: () => void,
  ) {
    super();
  }

  override async spend(attempt: Attempt, policy: AttemptPolicy): Promise<SpendResult> {
    const [row] = await this.database.prepared<SpentRow>('verification.spend', SPEND, [
      attempt.commandId,
      attempt.fingerprint,
      attempt.attemptId,
      attempt.repeatSeconds,
      attempt.tenant,
      attempt.guardKey,
      policy.perWindow,
      policy.windowSeconds,
      policy.lockSeconds,
      policy.maxLockSeconds,
      attempt.agent,
      attempt.subject ?? null,
    ]);
    if (row) return { kind: 'spent', attempt: spentAttempt(attempt.attemptId, row) };
    const known = await this.#recall(attempt.commandId);
    if (known.fingerprint !== attempt.fingerprint) return { kind: 'mismatch' };
    if (known.reply !== null) return { kind: 'answered', reply: parseReply(known.reply) };
    return { kind: 'unanswered', attempt: spentAttempt(known.attempt_id, known) };
  }

  override async close({ attempt, reply, facts }: Verdict): Promise<VerificationDecided> {
    const encoded = facts.map((fact) => encodeMessage(fact.factId, fact, traceHeaders()));
    const closed = await this.database.prepared('verification.close', CLOSE, [
      attempt.attemptId,
      reply.outcome,
      JSON.stringify(reply),
      reply.commandId,
      JSON.stringify(encoded),
    ]);
    if (closed.length > 0) {
      this.wakeRelay();
      return reply;
    }
    const known = await this.#recall(reply.commandId);
    return known.reply === null ? reply : parseReply(known.reply);
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
