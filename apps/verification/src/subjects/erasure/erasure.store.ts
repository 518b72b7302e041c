import { encodeMessage, factRecorded, type Actor, type Preconditions } from '@countersign/contracts';
import { traceHeaders } from '@countersign/observability';
import { Inbox, Outbox, type Database } from '@countersign/persistence';
import { type KeyedHash, type Keyring } from '@countersign/crypto';
import { CREDENTIAL_KINDS, counterKeyOf } from '../../attempts/gate/attempt-counter.decision.js';
import { SubjectErasure, type SubjectErasureResult } from '../subjects.ports.js';
import { MAKE_DECOY, REMOVE_RECOGNIZED_CALLERS } from '../../attempts/gate/attempt-counter.sql.js';
import { PreconditionFailed, SubjectStates } from '../subject-state.store.js';
import { END_VERSIONS, LOCK_SUBJECT } from '../subject.sql.js';

/** Erasure in PostgreSQL. */
export class PostgresSubjectErasure extends SubjectErasure {
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  readonly #states: SubjectStates;

  constructor(
    private readonly database: Database,
    keyring: Keyring,
    private readonly names: KeyedHash,
    /** Of IDENTIFIER_KEY: names in events. */
    private readonly hash: KeyedHash,
    private readonly wakeRelay: () => void,
  ) {
    super();
    this.#inbox = new Inbox(database);
    this.#outbox = new Outbox(database);
    this.#states = new SubjectStates(database, keyring, names);
  }

  override async erase(
    commandId: string,
    tenant: string,
    subject: string,
    actor?: Actor,
    preconditions?: Preconditions,
  ): Promise<SubjectErasureResult> {
    try {
      const isErased = await this.#erase(commandId, tenant, subject, actor, preconditions);
      return isErased || (await this.#isRepeated(commandId)) ? 'erased' : 'not_found';
    } catch (error) {
      if (error instanceof PreconditionFailed) return 'precondition_failed';
      throw error;
    }
  }

  async #erase(
    commandId: string,
    tenant: string,
    subject: string,
    actor: Actor | undefined,
    preconditions: Preconditions | undefined,
  ): Promise<boolean> {
    const subjectKey = this.hash.subjectKey(tenant, 'id', subject);
    const referenceKey = this.names.subjectKey(tenant, 'id', subject);
    const erased = await this.database.forTenants([tenant]).transaction(async (tx) => {
      if (preconditions && (await tx.query(LOCK_SUBJECT, [tenant, subject])).length > 0)
        await this.#states.require(tx, tenant, subject, preconditions);
      // Numbers, credentials and the key go with the row: their foreign keys cascade. The row comes before the inbox, as
      // in enrolment; an unknown subject leaves no trace in it.
      const [row] = await tx.query<{ now: Date }>(
        'DELETE FROM verification.subjects WHERE tenant = $1 AND subject_id = $2 RETURNING clock_timestamp() AS now',
        [tenant, subject],
      );
      if (!row) return false;
      await tx.query(END_VERSIONS, [tenant, [subject]]);
      const keys = CREDENTIAL_KINDS.map((kind) => counterKeyOf(referenceKey, kind));
      await tx.query(MAKE_DECOY, [tenant, keys]);
      await tx.query(REMOVE_RECOGNIZED_CALLERS, [tenant, keys]);
      await this.#inbox.claim(tx, 'subject-commands', commandId);
      const fact = factRecorded('subject.erased', row.now, {
        tenant,
        subject,
        subjectKey,
        commandId,
        ...(actor && { actor }),
      });
      await this.#outbox.add(tx, [encodeMessage(fact.factId, fact, traceHeaders())]);
      return true;
    });
    if (erased) this.wakeRelay();
    return erased;
  }

  async #isRepeated(commandId: string): Promise<boolean> {
    const rows = await this.database.query('SELECT 1 FROM verification.inbox WHERE consumer = $1 AND message_id = $2', [
      'subject-commands',
      commandId,
    ]);
    return rows.length > 0;
  }
}
