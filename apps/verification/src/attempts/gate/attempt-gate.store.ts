import {
  encodeMessage,
  message,
  VerificationDecided,
  type AttemptPolicy,
  type FactRecorded,
  type FieldsOf,
  type Outcome,
} from '@countersign/contracts';
import { traceHeaders } from '@countersign/observability';
import { Batched, ConstraintViolation, Inbox, Outbox, type Database, databaseTime } from '@countersign/persistence';
import { type KeyedHash } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { CREDENTIAL_KINDS, counterKeyOf, referenceKeyOf } from './attempt-counter.decision.js';
import { asCountedAttempt, type CountedAttempt } from '../counted-attempt.decision.js';
import {
  AttemptGate,
  type AttemptToCount,
  type CountResult,
  type UndecidedAttempt,
  type AttemptOutcome,
} from '../attempts.ports.js';
import {
  decideParameters,
  countParameters,
  type OutcomeToStore,
  type AttemptWithPolicy,
} from './attempt-gate.parameters.js';
import { textOf, unstatedPart, wholeReply } from './stored-reply.decision.js';
import { type CallState } from '../../calls/call-state.decision.js';
import { successTag } from '../../integrity/success-tag.js';
import { COUNT_ATTEMPTS, FIND_COMMAND } from './attempt-gate.sql.js';
import { DECIDE_ATTEMPTS } from '../attempt-outcomes.sql.js';
import { IS_BELOW_LEDGER, UNLOCK } from './attempt-counter.sql.js';
import { ReplyTags } from '../../integrity/reply-tags.js';
import { type ReportTampering } from '../../integrity/tamper-reports.store.js';

/** The ledger has each attempt number of a reference once. After a counter was removed, its next attempt violates this constraint. */
const LEDGER_NUMBERS = 'attempts_tenant_counter_key_number_key';
/** A counter that differs from its ledger gets no number, which this NOT NULL column refuses. */
const NUMBERED = 'attempt_count';

/**
 * While further attempts of its tenant wait for a hash, an outcome waits so that they are stored in one statement. It waits
 * for this share of the time since its own attempt, so an early outcome is not delayed by the queue behind it; for at most
 * {@link MAX_LINGER_MS}; and until {@link FULL_BATCH} outcomes have gathered. It never waits for the hashes of another tenant.
 * Outcomes that are stored together also share the record batches and statements of the rest of the path.
 */
const LINGER_SHARE = 1 / 3;
const MAX_LINGER_MS = 150;
const FULL_BATCH = 24;

export interface CountedRow {
  number: string;
  granted: boolean;
  charged_lock: boolean;
  charged_disable: boolean;
  disabled: boolean;
  unrecognized: boolean;
  remaining: number;
  counted_at: Date;
}

interface CommandRow extends CountedRow {
  fingerprint: string;
  /** Of a command of the previous version. */
  earlier_reply: string | null;
  earlier_tag: string | null;
  attempt_id: string;
  counter_key: string;
  subject_id: string | null;
  outcome: Outcome | null;
  /** See `unstatedPart`. */
  reply: string | null;
  reply_tag: string | null;
  level: CallState['level'] | null;
  expires_at: Date | null;
}

/** Result of {@link FIND_COMMAND}. Row-level security hides the attempt of another tenant. */
type FoundCommand = CommandRow | { attempt_id: null };

const isOther = (row: FoundCommand): row is { attempt_id: null } => row.attempt_id === null;

/** The attempt gate and the ledger in PostgreSQL. Attempts that arrive together share a statement, and so do outcomes. */
export class PostgresAttemptGate extends AttemptGate {
  readonly #count: Batched<AttemptWithPolicy, CountedRow | undefined>;
  readonly #decide: Batched<OutcomeToStore, boolean | undefined>;
  readonly #tags: ReplyTags;
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  /** Time at which this process counted an attempt, on the clock of `performance`. */
  readonly #countedAt = new WeakMap<CountedAttempt, number>();

  constructor(
    private readonly database: Database,
    private readonly hash: KeyedHash,
    /** Called after a commit that added to the outbox. */
    private readonly wakeRelay: () => void,
    /**
     * Whether further outcomes of a tenant are certain to follow at once. They are then stored in one statement and sent in
     * one record batch.
     */
    moreOutcomesToCome: (tenant: string) => boolean = () => false,
    private readonly report?: ReportTampering,
  ) {
    super();
    this.#tags = new ReplyTags(hash);
    this.#inbox = new Inbox(database);
    this.#outbox = new Outbox(database);
    this.#count = new Batched({
      requesterOf: ({ attempt: { tenant, agent, caller = '' } }) => ({ tenant, agent, caller }),
      rows: ({ attempt }) => [`command ${attempt.commandId}`, counterRowOf(attempt.tenant, attempt.referenceKey)],
      run: (attempts) => this.#countAll(attempts),
    });
    this.#decide = new Batched({
      requesterOf: ({ outcome: { tenant, caller = '' } }) => ({ tenant, agent: '', caller }),
      rows: ({ outcome }) => [`command ${outcome.reply.commandId}`, counterRowOf(outcome.tenant, outcome.referenceKey)],
      run: (outcomes) => this.#decideAll(outcomes),
      expectsMore: ({ outcome }) => moreOutcomesToCome(outcome.tenant),
      lingerMs: ({ outcome }) => this.#lingerMs(outcome.attempt),
      fullSize: FULL_BATCH,
    });
  }

  override async count(attempt: AttemptToCount, policy: AttemptPolicy): Promise<CountResult> {
    const row = await this.#count.call({ attempt, policy }).catch((error: unknown) => this.#explain(attempt, error));
    if (row) {
      const counted = countedAttempt(attempt.attemptId, row);
      this.#countedAt.set(counted, performance.now());
      return { kind: 'counted', attempt: counted };
    }
    const known = await this.#findCommand(attempt.commandId, attempt.tenant);
    if (known === 'other' || known.fingerprint !== attempt.fingerprint) return { kind: 'mismatch' };
    // Outcome and tag are written together. A row with only one of them was altered, and must not be compared again.
    if (known.outcome === null && known.reply_tag === null && known.earlier_reply === null)
      return { kind: 'unanswered', attempt: countedAttempt(known.attempt_id, known) };
    return { kind: 'answered', reply: await this.#stored(attempt.tenant, attempt.commandId, known) };
  }

  override async decide(outcome: AttemptOutcome): Promise<VerificationDecided | 'outdated'> {
    // Encoded here and not in the shared statement, because the trace belongs to this command.
    const headers = traceHeaders();
    const { tenant, fingerprint, attempt, facts, tighten } = outcome;
    const messages = facts.map((fact) => encodeMessage(fact.factId, fact, headers));
    if (tighten !== undefined) messages.push(encodeMessage(tighten.commandId, tighten, headers));
    const { commandId } = outcome.reply;
    const { attemptId } = attempt;
    const row = { commandId, attempt, outcome: outcome.reply.outcome, success: outcome.success };
    const isStored = await this.#decide.call({
      outcome,
      messages,
      reply: unstatedPart(outcome.reply, row),
      replyTag: this.#tags.of({ tenant, commandId, fingerprint, attemptId, reply: textOf(outcome.reply) }),
      successTag: outcome.success && successTag(this.hash, tenant, outcome.success),
    });
    if (isStored !== undefined) return isStored ? outcome.reply : 'outdated';
    const known = await this.#findCommand(commandId, tenant);
    // The command was claimed again since, so the first reply is not stored any more.
    if (known === 'other' || known.attempt_id !== attemptId) return unavailable(commandId, attemptId);
    return this.#stored(tenant, commandId, known);
  }

  /** The stored reply, if this service wrote it. Otherwise a forged success would get a receipt. */
  async #stored(tenant: string, commandId: string, row: CommandRow): Promise<VerificationDecided> {
    const reply = this.#readReply(tenant, commandId, row);
    if (reply !== undefined) return message(VerificationDecided, reply);
    const who = {
      subjectKey: referenceKeyOf(row.counter_key),
      ...(row.subject_id === null ? {} : { subject: row.subject_id }),
    };
    const hasTag = (row.earlier_reply === null ? row.reply_tag : row.earlier_tag) !== null;
    await this.report?.({ what: 'reply', reason: hasTag ? 'altered' : 'untagged', tenant, ...who });
    return unavailable(commandId, row.attempt_id);
  }

  #readReply(tenant: string, commandId: string, row: CommandRow): FieldsOf<VerificationDecided> | undefined {
    const { fingerprint, attempt_id: attemptId, earlier_reply: earlier } = row;
    const isTagged = (tag: string | null, reply: string): boolean =>
      this.#tags.isRight(tag, { tenant, commandId, fingerprint, attemptId, reply });
    if (earlier !== null)
      return isTagged(row.earlier_tag, earlier) ? (JSON.parse(earlier) as FieldsOf<VerificationDecided>) : undefined;
    const reply = storedReply(commandId, row);
    return reply !== undefined && isTagged(row.reply_tag, textOf(reply)) ? reply : undefined;
  }

  async #countAll(attempts: readonly AttemptWithPolicy[]): Promise<(CountedRow | undefined)[]> {
    type Row = CountedRow & { attempt_id: string };
    const database = this.database.forTenants(attempts.map(({ attempt }) => attempt.tenant));
    const rows = await database.prepared<Row>('verification.count', COUNT_ATTEMPTS, countParameters(attempts));
    const counted = new Map(rows.map((row) => [row.attempt_id, row]));
    return attempts.map(({ attempt }) => counted.get(attempt.attemptId));
  }

  /** True: stored. False: the compared credential is not in force. Undefined: the attempt has an outcome already. */
  async #decideAll(outcomes: readonly OutcomeToStore[]): Promise<(boolean | undefined)[]> {
    const database = this.database.forTenants(outcomes.map(({ outcome }) => outcome.tenant));
    const params = decideParameters(outcomes);
    const rows = await database.prepared<{ attempt_id: string; decided: boolean }>(
      'verification.decide',
      DECIDE_ATTEMPTS,
      params,
    );
    if (rows.some(({ decided }) => decided)) this.wakeRelay();
    const written = new Map(rows.map((row) => [row.attempt_id, row.decided]));
    return outcomes.map(({ outcome }) => written.get(outcome.attempt.attemptId));
  }

  override async undecided(commandId: string, tenant: string): Promise<UndecidedAttempt | 'answered' | undefined> {
    const [row] = await this.database.forTenants([tenant]).query<FoundCommand>(FIND_COMMAND, [commandId]);
    if (!row) return undefined;
    if (isOther(row) || row.outcome !== null) return 'answered';
    const attempt = countedAttempt(row.attempt_id, row);
    const { fingerprint, counter_key: referenceKey, subject_id: subject } = row;
    return { attempt, fingerprint, referenceKey: referenceKeyOf(referenceKey), subject: subject ?? undefined };
  }

  override async unlock(
    commandId: string,
    tenant: string,
    referenceKey: string,
    factAt: (time: Date) => FactRecorded,
  ): Promise<void> {
    const altered = await this.database.forTenants([tenant]).transaction(async (tx) => {
      if (!(await this.#inbox.claim(tx, 'subject-commands', commandId))) return [];
      const keys = CREDENTIAL_KINDS.map((kind) => counterKeyOf(referenceKey, kind));
      const refused = await tx.query(UNLOCK, [tenant, keys]);
      const fact = factAt(await databaseTime(tx));
      await this.#outbox.add(tx, [encodeMessage(fact.factId, fact, traceHeaders())]);
      return refused;
    });
    this.wakeRelay();
    if (altered.length > 0)
      await this.report?.({ what: 'counter', reason: 'differs_from_ledger', tenant, subjectKey: referenceKey });
  }

  /** How long an outcome waits for others; 0 if another process counted the attempt, because it has waited already. */
  #lingerMs(attempt: CountedAttempt): number {
    const now = performance.now();
    return Math.min(MAX_LINGER_MS, (now - (this.#countedAt.get(attempt) ?? now)) * LINGER_SHARE);
  }

  /** Reports a counter that differs from its ledger. No attempt was counted, so nothing may be compared. */
  async #explain({ tenant, referenceKey, subject, method }: AttemptToCount, error: unknown): Promise<never> {
    if (!(error instanceof ConstraintViolation && [LEDGER_NUMBERS, NUMBERED].includes(error.constraint))) throw error;
    const key = counterKeyOf(referenceKey, method);
    const [row] = await this.database
      .forTenants([tenant])
      .query<{ is_below_ledger: boolean }>(IS_BELOW_LEDGER, [tenant, key]);
    const reason = row?.is_below_ledger || error.constraint === LEDGER_NUMBERS ? 'below_ledger' : 'differs_from_ledger';
    const who = subject === undefined ? {} : { subject };
    await this.report?.({ what: 'counter', reason, tenant, subjectKey: referenceKey, ...who });
    throw new ServiceError(
      'COUNTER_BROKEN',
      'A counter of attempts is not what its ledger says: attempts check names it',
      false,
    );
  }

  /** `other`: the command belongs to another tenant. */
  async #findCommand(commandId: string, tenant: string): Promise<CommandRow | 'other'> {
    const [row] = await this.database.forTenants([tenant]).query<FoundCommand>(FIND_COMMAND, [commandId]);
    if (row) return isOther(row) ? 'other' : row;
    throw new ServiceError('INTERNAL', 'A claimed command has no attempt', true);
  }
}

const counterRowOf = (tenant: string, referenceKey: string): string => `counter ${tenant} ${referenceKey}`;

/** Makes the proof of a counted attempt from a row of {@link COUNT_ATTEMPTS}. */
export function countedAttempt(attemptId: string, row: CountedRow): CountedAttempt {
  return asCountedAttempt({
    attemptId,
    number: Number(row.number),
    granted: row.granted,
    chargedLock: row.charged_lock,
    chargedDisable: row.charged_disable,
    disabled: row.disabled,
    unrecognized: row.unrecognized,
    remaining: row.remaining,
    countedAt: row.counted_at.toISOString(),
  });
}

/** Undefined if the row has no outcome, or was altered so that it has no reply. */
function storedReply(commandId: string, row: CommandRow): FieldsOf<VerificationDecided> | undefined {
  const { outcome, level, subject_id: subject, expires_at: expiresAt } = row;
  if (outcome === null) return undefined;
  const isSuccess = level !== null && subject !== null && expiresAt !== null;
  try {
    const success = isSuccess ? { level, subject, expiresAt: expiresAt.toISOString() } : undefined;
    return wholeReply(row.reply, { commandId, attempt: countedAttempt(row.attempt_id, row), outcome, success });
  } catch {
    return undefined;
  }
}

/** Names the verification, so the attempt stays counted and gets no refund. */
function unavailable(commandId: string, verificationId: string): VerificationDecided {
  return message(VerificationDecided, { commandId, outcome: 'unavailable', level: 'none', verificationId });
}
