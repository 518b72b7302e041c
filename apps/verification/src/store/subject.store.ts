import { v7 as uuid } from 'uuid';
import { encodeMessage, FactRecorded, message, type Method } from '@countersign/contracts';
import { traceHeaders } from '@countersign/observability';
import { Batched, Inbox, Outbox, UniqueViolation, type Database, type Sql } from '@countersign/persistence';
import { type KeyedHash, type Keyring } from '@countersign/sealing';
import { SteadyClock } from '@countersign/service';
import { PIN_HISTORY_KIND } from '@countersign/stored-secrets';
import { guardRow } from '../domain/attempts.js';
import { PIN_HISTORY } from '../domain/pin-rules.js';
import { type SubjectState } from '../domain/subject-state.js';
import {
  SubjectStore,
  type Enrolled,
  type FoundSubject,
  type NewCredential,
  type Profile,
  type SubjectChange,
} from '../ports.js';
import { DecoyCaps } from './decoy-caps.js';
import { ProfileVault, type StoredProfile } from './profile-vault.js';
import { RENEW } from './guard.sql.js';
import { ENROLLED, FIND, KEEP_OLD, STORE_CREDENTIAL } from './subject.sql.js';
import { readState } from './subject-state.js';
import { type ReportTampering } from './tamper-reports.js';

interface FoundRow {
  subject_id: string;
  version: number;
  profile_key_id: string;
  profile: Buffer;
  own_key_id: string | null;
  own_key: Buffer | null;
  credential_version: number | null;
  credential_key_id: string | null;
  wrapped: Buffer | null;
  must_change: boolean | null;
  cap: number | null;
}

interface EnrolledRow extends StoredProfile {
  wrapped: Buffer | null;
  repeated: boolean;
  disabled: boolean;
  credential_version: number | null;
  key_id: string | null;
  is_history: boolean | null;
}

/** A reference as a verification names it. */
interface Reference {
  readonly tenant: string;
  readonly kind: 'id' | 'phone';
  readonly ref: string;
  readonly method: Method;
}

/** Consumer of the inbox: commands about subjects. */
const INBOX = 'subject-commands';

/** Subjects in PostgreSQL. Names and numbers are wrapped; numbers are found by their keyed hash. */
export class PostgresSubjectStore extends SubjectStore {
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  readonly #profiles: ProfileVault;
  readonly #find: Batched<Reference, FoundRow | undefined>;
  readonly #decoyCaps: DecoyCaps;

  constructor(
    private readonly database: Database,
    private readonly keyring: Keyring,
    private readonly hash: KeyedHash,
    private readonly wakeRelay: () => void,
    private readonly report?: ReportTampering,
  ) {
    super();
    this.#inbox = new Inbox(database);
    this.#outbox = new Outbox(database);
    this.#profiles = new ProfileVault(keyring);
    this.#decoyCaps = new DecoyCaps(database, new SteadyClock());
    this.#find = new Batched({ run: (references) => this.#findAll(references) });
  }

  override async find(tenant: string, kind: 'id' | 'phone', ref: string, method: Method): Promise<FoundSubject> {
    const row = await this.#find.call({ tenant, kind, ref, method });
    // A known subject has one counter, whether it was named by id or by number.
    const guardKey = row ? this.hash.subjectKey(tenant, 'id', row.subject_id) : this.hash.subjectKey(tenant, kind, ref);
    const decoyCap = await this.#decoyCaps.of(tenant, method, guardKey);
    if (!row) {
      const nobody = { id: undefined, displayName: undefined, locale: undefined, credential: undefined };
      return { ...nobody, mustChange: false, cap: decoyCap, guardKey };
    }
    const profile = await this.#openProfile(tenant, row);
    return {
      id: row.subject_id,
      guardKey,
      displayName: profile.displayName,
      locale: profile.locale,
      credential:
        row.wrapped === null || row.credential_version === null || row.credential_key_id === null
          ? undefined
          : {
              kind: method,
              tenant,
              subject: row.subject_id,
              version: row.credential_version,
              keyId: row.credential_key_id,
              wrapped: row.wrapped,
            },
      mustChange: row.must_change === true,
      cap: row.cap ?? decoyCap,
    };
  }

  async #findAll(references: readonly Reference[]): Promise<(FoundRow | undefined)[]> {
    const database = this.database.forTenants(references.map(({ tenant }) => tenant));
    const rows = await database.prepared<FoundRow & { place: number }>('verification.find', FIND, [
      references.map(({ tenant }) => tenant),
      references.map(({ kind }) => kind),
      references.map(({ ref }) => ref),
      references.map(({ method }) => method),
    ]);
    const found = new Map(rows.map((row) => [row.place, row]));
    return references.map((_, at) => found.get(at + 1));
  }

  override async change(commandId: string, tenant: string, subject: string, change: Profile): Promise<SubjectChange> {
    try {
      const result = await this.database.forTenants([tenant]).transaction(async (tx) => {
        if (!(await this.#inbox.first(tx, INBOX, commandId))) return 'updated';
        const before = await this.#lock(tx, tenant, subject);
        const version = (before?.version ?? 0) + 1;
        const profile = { ...before?.profile, ...change };
        await this.#profiles.write(tx, tenant, subject, version, profile, before?.ownKey);
        if (change.phones) await this.#writePhones(tx, tenant, subject, change.phones);
        await this.#record(tx, tenant, subject, 'subject.changed', commandId, {
          fields: Object.keys(change).join(' '),
        });
        return before ? 'updated' : 'created';
      });
      this.wakeRelay();
      return result;
    } catch (error) {
      if (error instanceof UniqueViolation && error.constraint === 'subject_phones_pkey') return 'taken';
      throw error;
    }
  }

  override async enrolled(
    commandId: string,
    tenant: string,
    subject: string,
    kind: Method,
  ): Promise<Enrolled | undefined> {
    const rows = await this.database
      .forTenants([tenant])
      .query<EnrolledRow>(ENROLLED, [
        ...[tenant, subject, kind, commandId, PIN_HISTORY],
        guardRow(this.hash.subjectKey(tenant, 'id', subject), kind),
      ]);
    const [first] = rows;
    if (!first) return undefined;
    const latest = rows.flatMap(({ credential_version: version, key_id: keyId, wrapped, is_history: isHistory }) =>
      version === null || keyId === null || wrapped === null
        ? []
        : [{ kind: isHistory === true ? PIN_HISTORY_KIND : kind, tenant, subject, version, keyId, wrapped }],
    );
    return {
      repeated: first.repeated,
      phones: (await this.#openProfile(tenant, first)).phones ?? [],
      version: latest[0]?.version ?? 0,
      disabled: first.disabled,
      latest,
    };
  }

  override async enrol(
    commandId: string,
    tenant: string,
    subject: string,
    credential: NewCredential,
  ): Promise<'created' | 'updated' | 'not_found' | 'outdated'> {
    const { kind, replaces, again, earlier, mustChange, cap, by } = credential;
    const subjectKey = this.hash.subjectKey(tenant, 'id', subject);
    let altered = false;
    const result = await this.database.forTenants([tenant]).transaction(async (tx) => {
      if (!(await this.#lock(tx, tenant, subject))) return 'not_found';
      const [before] = await tx.query<{ version: number }>(
        'SELECT version FROM verification.credentials WHERE tenant = $1 AND subject_id = $2 AND kind = $3',
        [tenant, subject, kind],
      );
      const [seen] = await tx.query(`SELECT FROM verification.inbox WHERE consumer = '${INBOX}' AND message_id = $1`, [
        commandId,
      ]);
      if (seen) return 'updated';
      if ((before?.version ?? 0) !== replaces) return 'outdated';
      await this.#inbox.first(tx, INBOX, commandId);
      if (before && earlier) {
        const { version, keyId, wrapped } = earlier;
        const kept = [version, keyId, wrapped, earlier.kind === PIN_HISTORY_KIND];
        await tx.query(KEEP_OLD, [tenant, subject, kind, PIN_HISTORY - 1, ...kept]);
      }
      const version = replaces + 1;
      const { keyId, wrapped } = credential.wrap({ kind, tenant, subject, version });
      await tx.query(STORE_CREDENTIAL, [tenant, subject, kind, version, keyId, wrapped, mustChange, cap]);
      if (!again) altered = (await tx.query(RENEW, [tenant, [guardRow(subjectKey, kind)]])).length > 0;
      await this.#record(tx, tenant, subject, before ? 'credential.changed' : 'credential.enrolled', commandId, {
        credential: kind,
        version,
        by,
        ...(mustChange ? { mustChange } : {}),
      });
      return before ? 'updated' : 'created';
    });
    this.wakeRelay();
    if (altered) await this.report?.({ what: 'counter', reason: 'differs_from_ledger', tenant, subject, subjectKey });
    return result;
  }

  override state(tenant: string, subject: string, windowSeconds: number): Promise<SubjectState | undefined> {
    return readState(this.database, tenant, subject, this.hash.subjectKey(tenant, 'id', subject), windowSeconds);
  }

  async #lock(
    tx: Sql,
    tenant: string,
    subject: string,
  ): Promise<{ version: number; profile: Profile; ownKey: Keyring | undefined } | undefined> {
    const [row] = await tx.query<FoundRow>(
      `SELECT s.subject_id, s.version, s.profile_key_id, s.profile, k.key_id AS own_key_id, k.wrapped AS own_key
       FROM verification.subjects s LEFT JOIN verification.subject_keys k USING (tenant, subject_id)
       WHERE s.tenant = $1 AND s.subject_id = $2 FOR UPDATE OF s`,
      [tenant, subject],
    );
    if (!row) return undefined;
    const profile = await this.#openProfile(tenant, row);
    return { version: row.version, profile, ownKey: this.#profiles.keyOf(tenant, row) };
  }

  async #writePhones(tx: Sql, tenant: string, subject: string, phones: readonly string[]): Promise<void> {
    await tx.query('DELETE FROM verification.subject_phones WHERE tenant = $1 AND subject_id = $2', [tenant, subject]);
    await tx.query(
      `INSERT INTO verification.subject_phones (tenant, phone_key, subject_id)
       SELECT $1, key, $2 FROM (SELECT DISTINCT unnest($3::text[]) AS key ORDER BY 1) k`,
      [tenant, subject, phones.map((phone) => this.hash.hash('phone', tenant, phone))],
    );
  }

  async #record(
    tx: Sql,
    tenant: string,
    subject: string,
    kind: FactRecorded['kind'],
    commandId: string,
    detail: Record<string, string | number | boolean>,
  ): Promise<void> {
    const [row] = await tx.query<{ now: Date }>('SELECT clock_timestamp() AS now');
    const fact = message(FactRecorded, {
      factId: uuid(),
      kind,
      time: (row?.now ?? new Date(0)).toISOString(),
      tenant,
      subject,
      subjectKey: this.hash.subjectKey(tenant, 'id', subject),
      commandId,
      detail,
    });
    await this.#outbox.add(tx, [encodeMessage(fact.factId, fact, traceHeaders())]);
  }

  async #openProfile(tenant: string, row: StoredProfile): Promise<Profile> {
    try {
      return this.#profiles.open(tenant, row);
    } catch (error) {
      const reason = this.keyring.has(row.own_key_id ?? row.profile_key_id) ? 'altered' : 'unknown_key';
      await this.report?.({ what: 'profile', reason, tenant, subject: row.subject_id });
      throw error;
    }
  }
}
