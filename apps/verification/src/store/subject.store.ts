import { v7 as uuid } from 'uuid';
import { encodeMessage, FactRecorded, message } from '@countersign/contracts';
import { traceHeaders } from '@countersign/observability';
import { Batched, Inbox, Outbox, UniqueViolation, type Database, type Sql } from '@countersign/persistence';
import { type KeyedHash, type Keyring } from '@countersign/sealing';
import { guardRow, LOWEST_CAP } from '../domain/attempts.js';
import { ProfileVault } from './profile-vault.js';
import { SubjectStore, type FoundSubject, type Profile, type SubjectChange, type SubjectState } from '../ports.js';
import { RENEW } from './attempt.sql.js';
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
  cap: number | null;
}

/** A reference as a verification names it. */
interface Reference {
  readonly tenant: string;
  readonly kind: 'id' | 'phone';
  readonly ref: string;
}

/**
 * Subjects by their references, with their PINs. One statement for both kinds, and the same work whether there is such a
 * subject or not. $1 tenants, $2 kinds, $3 references
 */
const FIND = `
SELECT r.place::int, f.*
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS r(tenant, kind, ref, place), LATERAL (
  SELECT s.subject_id, s.version, s.profile_key_id, s.profile, k.key_id AS own_key_id, k.wrapped AS own_key,
    c.version AS credential_version, c.key_id AS credential_key_id, c.wrapped, c.cap
  FROM verification.subjects s
  LEFT JOIN verification.subject_keys k ON k.tenant = s.tenant AND k.subject_id = s.subject_id
  LEFT JOIN verification.credentials c ON c.tenant = s.tenant AND c.subject_id = s.subject_id AND c.kind = 'pin'
  WHERE s.tenant = r.tenant AND s.subject_id = CASE r.kind WHEN 'id' THEN r.ref ELSE
    (SELECT p.subject_id FROM verification.subject_phones p WHERE p.tenant = r.tenant AND p.phone_key = r.ref) END
  LIMIT 1) f`;

/** Subjects in PostgreSQL. Names and numbers are wrapped; numbers are found by their keyed hash. */
export class PostgresSubjectStore extends SubjectStore {
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  readonly #profiles: ProfileVault;
  readonly #find: Batched<Reference, FoundRow | undefined>;

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
    this.#find = new Batched({ run: (references) => this.#findAll(references) });
  }

  override async find(tenant: string, kind: 'id' | 'phone', ref: string): Promise<FoundSubject> {
    const row = await this.#find.call({ tenant, kind, ref });
    if (!row) {
      const nobody = {
        id: undefined,
        displayName: undefined,
        locale: undefined,
        credential: undefined,
        cap: LOWEST_CAP,
      };
      return { ...nobody, guardKey: this.hash.hash('guard', tenant, kind, ref) };
    }
    const profile = await this.#openProfile(tenant, row);
    return {
      id: row.subject_id,
      // A known subject has one counter, whether it was named by id or by number.
      guardKey: this.hash.hash('guard', tenant, 'id', row.subject_id),
      displayName: profile.displayName,
      cap: row.cap ?? LOWEST_CAP,
      locale: profile.locale,
      credential:
        row.wrapped === null || row.credential_version === null || row.credential_key_id === null
          ? undefined
          : {
              tenant,
              subject: row.subject_id,
              version: row.credential_version,
              keyId: row.credential_key_id,
              wrapped: row.wrapped,
            },
    };
  }

  async #findAll(references: readonly Reference[]): Promise<(FoundRow | undefined)[]> {
    const rows = await this.database.prepared<FoundRow & { place: number }>('verification.find', FIND, [
      references.map(({ tenant }) => tenant),
      references.map(({ kind }) => kind),
      references.map(({ ref }) => ref),
    ]);
    const found = new Map(rows.map((row) => [row.place, row]));
    return references.map((_, at) => found.get(at + 1));
  }

  override async change(commandId: string, tenant: string, subject: string, change: Profile): Promise<SubjectChange> {
    try {
      const result = await this.database.transaction(async (tx) => {
        if (!(await this.#inbox.first(tx, 'subject-commands', commandId))) return 'updated';
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

  override async enrol(
    commandId: string,
    tenant: string,
    subject: string,
    cap: number,
    wrap: (version: number) => { keyId: string; wrapped: Buffer },
  ): Promise<'created' | 'updated' | 'not_found'> {
    const result = await this.database.transaction(async (tx) => {
      if (!(await this.#lock(tx, tenant, subject))) return 'not_found';
      if (!(await this.#inbox.first(tx, 'subject-commands', commandId))) return 'updated';
      const [before] = await tx.query<{ version: number }>(
        `SELECT version FROM verification.credentials WHERE tenant = $1 AND subject_id = $2 AND kind = 'pin'`,
        [tenant, subject],
      );
      const version = (before?.version ?? 0) + 1;
      const { keyId, wrapped } = wrap(version);
      await tx.query(
        `INSERT INTO verification.credentials (tenant, subject_id, kind, version, key_id, wrapped, cap)
         VALUES ($1, $2, 'pin', $3, $4, $5, $6)
         ON CONFLICT (tenant, subject_id, kind) DO UPDATE
           SET version = EXCLUDED.version, key_id = EXCLUDED.key_id, wrapped = EXCLUDED.wrapped,
               cap = EXCLUDED.cap, enrolled_at = EXCLUDED.enrolled_at`,
        [tenant, subject, version, keyId, wrapped, cap],
      );
      await tx.query(RENEW, [tenant, guardRow(this.hash.hash('guard', tenant, 'id', subject), 'pin')]);
      const kind = before ? 'credential.changed' : 'credential.enrolled';
      await this.#record(tx, tenant, subject, kind, commandId, { credential: 'pin', version });
      return before ? 'updated' : 'created';
    });
    this.wakeRelay();
    return result;
  }

  override async state(tenant: string, subject: string): Promise<SubjectState | undefined> {
    const [row] = await this.database.query<{
      enrolled: boolean;
      phones: number;
      recent: number | null;
      failures: number | null;
      disabled: boolean | null;
      locked_until: Date | null;
      updated_at: Date;
    }>(
      `SELECT s.updated_at, c.subject_id IS NOT NULL AS enrolled, g.failures, g.disabled,
         cardinality(g.recent) + cardinality(g.stranger_recent) AS recent,
         (SELECT max(u) FROM unnest(ARRAY[g.locked_until, g.stranger_locked_until]) AS u
          WHERE u > clock_timestamp()) AS locked_until,
         (SELECT count(*)::int FROM verification.subject_phones p
          WHERE p.tenant = s.tenant AND p.subject_id = s.subject_id) AS phones
       FROM verification.subjects s
       LEFT JOIN verification.credentials c ON c.tenant = s.tenant AND c.subject_id = s.subject_id AND c.kind = 'pin'
       LEFT JOIN verification.guards g ON g.tenant = s.tenant AND g.guard_key = $3
       WHERE s.tenant = $1 AND s.subject_id = $2`,
      [tenant, subject, this.hash.hash('guard', tenant, 'id', subject)],
    );
    if (!row) return undefined;
    return {
      subject,
      pinEnrolled: row.enrolled,
      phones: row.phones,
      attemptsInWindow: row.recent ?? 0,
      lockedUntil: row.locked_until?.toISOString(),
      consecutiveFailures: row.failures ?? 0,
      disabled: row.disabled ?? false,
      updatedAt: row.updated_at.toISOString(),
    };
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
    detail: Record<string, string | number>,
  ): Promise<void> {
    const [row] = await tx.query<{ now: Date }>('SELECT clock_timestamp() AS now');
    const fact = message(FactRecorded, {
      factId: uuid(),
      kind,
      time: (row?.now ?? new Date(0)).toISOString(),
      tenant,
      subject,
      subjectKey: this.hash.hash('guard', tenant, 'id', subject),
      commandId,
      detail,
    });
    await this.#outbox.add(tx, [encodeMessage(fact.factId, fact, traceHeaders())]);
  }

  async #openProfile(tenant: string, row: FoundRow): Promise<Profile> {
    try {
      return this.#profiles.open(tenant, row);
    } catch (error) {
      const reason = this.keyring.has(row.own_key_id ?? row.profile_key_id) ? 'altered' : 'unknown_key';
      await this.report?.({ what: 'profile', reason, tenant, subject: row.subject_id });
      throw error;
    }
  }
}
