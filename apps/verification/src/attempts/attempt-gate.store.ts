import {
  encodeMessage,
  message,
  VerificationDecided,
  type AttemptPolicy,
  type FactRecorded,
} from '@countersign/contracts';
import { traceHeaders } from '@countersign/observability';
import { Batched, ConstraintViolation, Inbox, Outbox, type Database } from '@countersign/persistence';
import { type KeyedHash } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { CREDENTIAL_KINDS, counterKeyOf, referenceKeyOf } from './attempt-counter.decision.js';
import { asCountedAttempt } from './counted-attempt.decision.js';
import {
  AttemptGate,
  type AttemptToCount,
  type CountResult,
  type CountedAttempt,
  type UndecidedAttempt,
  type AttemptOutcome,
} from '../verification.ports.js';
import {
  decideParameters,
  countParameters,
  type OutcomeToStore,
  type AttemptWithPolicy,
} from './attempt-gate.parameters.js';
import { successTag } from '../integrity/success-tag.js';
import { DECIDE_ATTEMPTS, FIND_COMMAND, COUNT_ATTEMPTS } from './attempt-gate.sql.js';
import { BELOW_LEDGER, UNLOCK } from './attempt-counter.sql.js';
import { ReplyTags } from '../integrity/reply-tags.js';
import { type ReportTampering } from '../integrity/tamper-reports.store.js';

/** The ledger holds each number of a reference once: who removes a counter makes the next try break this rule. */
const LEDGER_NUMBERS = 'attempts_tenant_guard_key_number_key';
/** A guard's row that is not as its record says gets no number, which this column must have. */
const NUMBERED = 'tries';

/**
 * While further attempts of its tenant wait for a hash, an outcome waits for theirs: for a part of the time since its own
 * attempt, so that an early one is not held up by the queue behind it, and for so many milliseconds at most, or until so many
 * have gathered. Nothing waits for the hashes of another tenant. What leaves together travels together, and so do the next requests of those who got the answers: every request to
 * the broker and every statement of the whole path is shared by as many.
 */
const PATIENCE = 1 / 3;
const MOST_PATIENCE_MS = 150;
const ENOUGH_VERDICTS = 24;

export interface CountedRow {
  number: string;
  granted: boolean;
  charged_lock: boolean;
  charged_disable: boolean;
  disabled: boolean;
  unrecognized: boolean;
  remaining: number;
  spent_at: Date;
}

interface RecallRow extends CountedRow {
  fingerprint: string;
  reply: string | null;
  reply_tag: string | null;
  attempt_id: string;
  guard_key: string;
  subject_id: string | null;
  outcome: string | null;
}

/** What {@link FIND_COMMAND} gives: the attempt of another tenant is out of sight. */
type RecalledRow = RecallRow | { attempt_id: null };

const isOther = (row: RecalledRow): row is { attempt_id: null } => row.attempt_id === null;

/** The gate and the ledger in PostgreSQL. Tries and verdicts of one moment share a statement. */
export class PostgresAttemptGate extends AttemptGate {
  readonly #spend: Batched<AttemptWithPolicy, CountedRow | undefined>;
  readonly #close: Batched<OutcomeToStore, boolean | undefined>;
  readonly #tags: ReplyTags;
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  /** When a try was spent here, on the clock of `performance`. */
  readonly #countedAt = new WeakMap<CountedAttempt, number>();

  constructor(
    private readonly database: Database,
    private readonly hash: KeyedHash,
    /** Called after a commit that left something in the outbox. */
    private readonly wakeRelay: () => void,
    /**
     * Whether further outcomes of a tenant are certain within moments. Then they are written together, and whatever follows
     * an outcome travels together too: one statement, one record batch, one answer to the adapter.
     */
    moreOutcomesToCome: (tenant: string) => boolean = () => false,
    private readonly report?: ReportTampering,
  ) {
    super();
    this.#tags = new ReplyTags(hash);
    this.#inbox = new Inbox(database);
    this.#outbox = new Outbox(database);
    this.#spend = new Batched({
      requesterOf: ({ attempt: { tenant, agent, caller = '' } }) => ({ tenant, agent, caller }),
      rows: ({ attempt }) => [`command ${attempt.commandId}`, guardOf(attempt.tenant, attempt.referenceKey)],
      run: (tries) => this.#spendAll(tries),
    });
    this.#close = new Batched({
      requesterOf: ({ verdict: { tenant, caller = '' } }) => ({ tenant, agent: '', caller }),
      rows: ({ verdict }) => [`command ${verdict.reply.commandId}`, guardOf(verdict.tenant, verdict.referenceKey)],
      run: (closings) => this.#closeAll(closings),
      expectsMore: ({ verdict }) => moreOutcomesToCome(verdict.tenant),
      lingerMs: ({ verdict }) => this.#patienceMs(verdict.attempt),
      fullSize: ENOUGH_VERDICTS,
    });
  }

  override async count(attempt: AttemptToCount, policy: AttemptPolicy): Promise<CountResult> {
    const row = await this.#spend.call({ attempt, policy }).catch((error: unknown) => this.#explain(attempt, error));
    if (row) {
      const spent = spentAttempt(attempt.attemptId, row);
      this.#countedAt.set(spent, performance.now());
      return { kind: 'spent', attempt: spent };
    }
    const known = await this.#recall(attempt.commandId, attempt.tenant);
    if (known === 'other' || known.fingerprint !== attempt.fingerprint) return { kind: 'mismatch' };
    // A verdict and its reply are written together: a verdict whose reply is gone is not compared a second time.
    if (known.reply === null && known.outcome === null)
      return { kind: 'unanswered', attempt: spentAttempt(known.attempt_id, known) };
    return { kind: 'answered', reply: await this.#stored(attempt.tenant, attempt.commandId, known) };
  }

  override async decide(verdict: AttemptOutcome): Promise<VerificationDecided | 'outdated'> {
    // Here and not in the statement for many: the trace is that of this command.
    const encoded = verdict.facts.map((fact) => encodeMessage(fact.factId, fact, traceHeaders()));
    const { tenant, fingerprint, attempt } = verdict;
    const { commandId } = verdict.reply;
    const reply = JSON.stringify(verdict.reply);
    const tag = this.#tags.of({ tenant, commandId, fingerprint, attemptId: attempt.attemptId, reply });
    const kept = verdict.success;
    const success = kept && JSON.stringify({ ...kept, tag: successTag(this.hash, tenant, kept) });
    const closed = await this.#close.call({ verdict, facts: JSON.stringify(encoded), reply, tag, success });
    if (closed !== undefined) return closed ? verdict.reply : 'outdated';
    const known = await this.#recall(commandId, tenant);
    // Claimed anew since: what the first verdict said is not kept any more.
    if (known === 'other' || known.attempt_id !== attempt.attemptId) return unavailable(commandId, attempt.attemptId);
    return this.#stored(tenant, commandId, known);
  }

  /** The reply of a verdict, as this service wrote it. A success that anybody else wrote would get a receipt. */
  async #stored(tenant: string, commandId: string, row: RecallRow): Promise<VerificationDecided> {
    const { fingerprint, attempt_id: attemptId, reply, reply_tag: tag } = row;
    if (reply !== null && this.#tags.isRight(tag, { tenant, commandId, fingerprint, attemptId, reply }))
      return message(VerificationDecided, JSON.parse(reply) as VerificationDecided);
    const who = {
      subjectKey: referenceKeyOf(row.guard_key),
      ...(row.subject_id === null ? {} : { subject: row.subject_id }),
    };
    const reason = reply !== null && tag === null ? 'untagged' : 'altered';
    await this.report?.({ what: 'reply', reason, tenant, ...who });
    return unavailable(commandId, attemptId);
  }

  async #spendAll(tries: readonly AttemptWithPolicy[]): Promise<(CountedRow | undefined)[]> {
    type Row = CountedRow & { attempt_id: string };
    const database = this.database.forTenants(tries.map(({ attempt }) => attempt.tenant));
    const rows = await database.prepared<Row>('verification.spend', COUNT_ATTEMPTS, countParameters(tries));
    const spent = new Map(rows.map((row) => [row.attempt_id, row]));
    return tries.map(({ attempt }) => spent.get(attempt.attemptId));
  }

  /** Whether each verdict was written; false: what it was compared with is not in force; undefined: its attempt has one. */
  async #closeAll(closings: readonly OutcomeToStore[]): Promise<(boolean | undefined)[]> {
    const database = this.database.forTenants(closings.map(({ verdict }) => verdict.tenant));
    const params = decideParameters(closings);
    const rows = await database.prepared<{ attempt_id: string; closed: boolean }>(
      'verification.close',
      DECIDE_ATTEMPTS,
      params,
    );
    if (rows.some(({ closed }) => closed)) this.wakeRelay();
    const written = new Map(rows.map((row) => [row.attempt_id, row.closed]));
    return closings.map(({ verdict }) => written.get(verdict.attempt.attemptId));
  }

  override async undecided(commandId: string, tenant: string): Promise<UndecidedAttempt | 'answered' | undefined> {
    const [row] = await this.database.forTenants([tenant]).query<RecalledRow>(FIND_COMMAND, [commandId]);
    if (!row) return undefined;
    if (isOther(row) || row.outcome !== null) return 'answered';
    const attempt = spentAttempt(row.attempt_id, row);
    const { fingerprint, guard_key: referenceKey, subject_id: subject } = row;
    return { attempt, fingerprint, referenceKey: referenceKeyOf(referenceKey), subject: subject ?? undefined };
  }

  override async unlock(
    commandId: string,
    tenant: string,
    referenceKey: string,
    factAt: (time: string) => FactRecorded,
  ): Promise<void> {
    const altered = await this.database.forTenants([tenant]).transaction(async (tx) => {
      if (!(await this.#inbox.claim(tx, 'subject-commands', commandId))) return [];
      const keys = CREDENTIAL_KINDS.map((kind) => counterKeyOf(referenceKey, kind));
      const refused = await tx.query(UNLOCK, [tenant, keys]);
      const [row] = await tx.query<{ now: Date }>('SELECT clock_timestamp() AS now');
      const fact = factAt((row?.now ?? new Date(0)).toISOString());
      await this.#outbox.add(tx, [encodeMessage(fact.factId, fact, traceHeaders())]);
      return refused;
    });
    this.wakeRelay();
    if (altered.length > 0)
      await this.report?.({ what: 'counter', reason: 'differs_from_ledger', tenant, subjectKey: referenceKey });
  }

  /** None for a try that another process spent: it has waited long enough. */
  #patienceMs(attempt: CountedAttempt): number {
    const now = performance.now();
    return Math.min(MOST_PATIENCE_MS, (now - (this.#countedAt.get(attempt) ?? now)) * PATIENCE);
  }

  /** A counter that is not what its ledger says: nothing was spent, and nobody may look at the guess. */
  async #explain(
    { tenant, referenceKey: referenceKey, subject, method }: AttemptToCount,
    error: unknown,
  ): Promise<never> {
    if (!(error instanceof ConstraintViolation && [LEDGER_NUMBERS, NUMBERED].includes(error.constraint))) throw error;
    const key = counterKeyOf(referenceKey, method);
    const [row] = await this.database.forTenants([tenant]).query<{ below: boolean }>(BELOW_LEDGER, [tenant, key]);
    const reason = row?.below || error.constraint === LEDGER_NUMBERS ? 'below_ledger' : 'differs_from_ledger';
    const who = subject === undefined ? {} : { subject };
    await this.report?.({ what: 'counter', reason, tenant, subjectKey: referenceKey, ...who });
    throw new ServiceError(
      'COUNTER_BROKEN',
      'A counter of attempts is not what its ledger says: attempts check names it',
      false,
    );
  }

  /** `other`: the command is another tenant's. */
  async #recall(commandId: string, tenant: string): Promise<RecallRow | 'other'> {
    const [row] = await this.database.forTenants([tenant]).query<RecalledRow>(FIND_COMMAND, [commandId]);
    if (row) return isOther(row) ? 'other' : row;
    throw new ServiceError('INTERNAL', 'A claimed command has no attempt', true);
  }
}

const guardOf = (tenant: string, referenceKey: string): string => `guard ${tenant} ${referenceKey}`;

/** A row of {@link COUNT_ATTEMPTS} as the proof that it is. */
export function spentAttempt(attemptId: string, row: CountedRow): CountedAttempt {
  return asCountedAttempt({
    attemptId,
    number: Number(row.number),
    granted: row.granted,
    chargedLock: row.charged_lock,
    chargedDisable: row.charged_disable,
    disabled: row.disabled,
    unrecognized: row.unrecognized,
    remaining: row.remaining,
    countedAt: row.spent_at.toISOString(),
  });
}

/** With its verification: the try stays spent, and nothing of it is given back. */
function unavailable(commandId: string, verificationId: string): VerificationDecided {
  return message(VerificationDecided, { commandId, outcome: 'unavailable', level: 'none', verificationId });
}
