import { encodeMessage, factRecorded, type FactRecorded, type Method } from '@countersign/contracts';
import { type KeyedHash, type Keyring } from '@countersign/crypto';
import { traceHeaders } from '@countersign/observability';
import { databaseTime, Outbox, UniqueViolation, type Database, type Sql } from '@countersign/persistence';
import { ServiceError } from '@countersign/runtime';
import { phoneTag } from '@countersign/stored-secrets';
import { counterKeyOf } from '../attempts/gate/attempt-counter.decision.js';
import { NAME_SUBJECTS, RESET_FOR_NEW_CREDENTIAL } from '../attempts/gate/attempt-counter.sql.js';
import { storedPhoneOf } from '../integrity/stored-names.js';
import { SubjectBindings, type VersionedProfile } from '../integrity/subject-bindings.store.js';
import { type ReportTampering } from '../integrity/tamper-reports.store.js';
import { type Profile } from '../subjects/profiles/profile.decision.js';
import { ProfileVault } from '../subjects/profiles/profile-vault.store.js';
import { INBOX, subjectLock } from '../subjects/subject.store.js';
import { lockTenant, mayCreateSubjects } from '../subjects/erasure/tenant-erasure.store.js';
import {
  SubjectBatches,
  type ExistingSubject,
  type ImportOrigin,
  type NewSubject,
  type SubjectCreation,
} from './imports.ports.js';
import {
  ADD_PHONES_OF_MANY,
  CLAIM,
  CREATE_CREDENTIALS,
  CREATE_SUBJECTS,
  FIND_EXISTING,
  FIND_OWNERS,
  FIND_PROFILES,
  FIND_REPEATED,
  LOCK_IDS,
  NEXT_VERSIONS,
} from './subject-batches.sql.js';

/** A number can be assigned to another subject between the check and the insertion, so a batch is repeated a few times. */
const MAX_RUNS = 3;

interface Version {
  readonly version: number;
  readonly writtenAt: string;
}

/** A subject that the transaction creates. */
interface Accepted extends NewSubject {
  readonly phoneKeys: readonly string[];
}

/** Batches of subjects in PostgreSQL, with one statement per table for all of them. */
export class PostgresSubjectBatches extends SubjectBatches {
  readonly #outbox: Outbox;
  readonly #profiles: ProfileVault;
  readonly #bindings: SubjectBindings;

  constructor(
    private readonly database: Database,
    keyring: Keyring,
    /** Under the names key: names in the tables. */
    private readonly names: KeyedHash,
    /** Of IDENTIFIER_KEY: names in events. */
    private readonly hash: KeyedHash,
    private readonly wakeRelay: () => void,
    private readonly report?: ReportTampering,
    /** As in {@link PostgresSubjectStore}. */
    private readonly tenantCreatedAt: (tenant: string) => string | undefined = () => undefined,
  ) {
    super();
    this.#outbox = new Outbox(database);
    this.#profiles = new ProfileVault(keyring);
    this.#bindings = new SubjectBindings(keyring, names, report);
  }

  override async find(tenant: string, subjects: readonly string[]): Promise<ReadonlyMap<string, ExistingSubject>> {
    const rows = await this.database
      .forTenants([tenant])
      .prepared<VersionedProfile>('verification.profiles', FIND_PROFILES, [tenant, subjects]);
    const found = new Map<string, ExistingSubject>();
    for (const row of rows) {
      const profile = await this.#profileOf(tenant, row).catch((error: unknown) => {
        if (error instanceof ServiceError && error.code === 'CREDENTIAL_BROKEN') return undefined;
        throw error;
      });
      found.set(row.subject_id, { subject: row.subject_id, profile });
    }
    return found;
  }

  override async repeated(commandIds: readonly string[]): Promise<ReadonlySet<string>> {
    return this.#repeated(this.database, commandIds);
  }

  override async ownersOf(tenant: string, phones: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const keys = new Map(phones.map((phone) => [storedPhoneOf(this.names, tenant, phone), phone]));
    const owners = await this.#owners(this.database.forTenants([tenant]), tenant, [...keys.keys()]);
    return new Map([...owners].map(([key, subject]) => [keys.get(key) ?? '', subject]));
  }

  override async create(
    tenant: string,
    origin: ImportOrigin,
    created: readonly NewSubject[],
  ): Promise<readonly SubjectCreation[]> {
    for (let run = 1; ; run++) {
      try {
        return await this.#create(tenant, origin, created);
      } catch (error) {
        const isLateOwner = error instanceof UniqueViolation && error.constraint === 'subject_phones_pkey';
        if (!isLateOwner || run === MAX_RUNS) throw error;
      }
    }
  }

  async #create(tenant: string, origin: ImportOrigin, created: readonly NewSubject[]): Promise<SubjectCreation[]> {
    const altered: string[] = [];
    const results = await this.database.forTenants([tenant]).transaction(async (tx): Promise<SubjectCreation[]> => {
      const subjects = created.map(({ subject }) => subject);
      await tx.query(LOCK_IDS, [subjects.map((subject) => subjectLock(tenant, subject))]);
      await lockTenant(tx, tenant, 'shared');
      if (!(await mayCreateSubjects(tx, tenant, this.tenantCreatedAt(tenant)))) return created.map(() => 'no_tenant');
      const { results, accepted } = await this.#choose(tx, tenant, created);
      if (accepted.length === 0) return results;
      const rowIds = accepted.map(({ rowId }) => rowId);
      await tx.query(CLAIM, [INBOX, rowIds]);
      const versions = await this.#nextVersions(tx, tenant, accepted);
      await this.#writeProfiles(tx, tenant, accepted, versions);
      await this.#writeCredentials(tx, tenant, accepted, versions);
      const counters = accepted.flatMap(({ subject, credentials }) =>
        credentials.map(({ kind }) => ({
          subject,
          key: counterKeyOf(this.names.subjectKey(tenant, 'id', subject), kind),
        })),
      );
      const keys = counters.map(({ key }) => key);
      const found = await tx.query<{ counter_key: string }>(RESET_FOR_NEW_CREDENTIAL, [tenant, keys]);
      await tx.query(NAME_SUBJECTS, [tenant, keys, counters.map(({ subject }) => subject)]);
      altered.push(...found.map(({ counter_key: key }) => key));
      const facts = await this.#factsOf(tx, tenant, origin, accepted, versions);
      await this.#outbox.add(
        tx,
        facts.map((fact) => encodeMessage(fact.factId, fact, traceHeaders())),
      );
      return results;
    });
    this.wakeRelay();
    const isAltered = (subjectKey: string): boolean =>
      (['pin', 'knowledge'] as const).some((kind) => altered.includes(counterKeyOf(subjectKey, kind)));
    for (const { subject } of altered.length === 0 ? [] : created) {
      const subjectKey = this.names.subjectKey(tenant, 'id', subject);
      if (isAltered(subjectKey))
        await this.report?.({ what: 'counter', reason: 'differs_from_ledger', tenant, subject, subjectKey });
    }
    return results;
  }

  /** Of two subjects with the same number, the first one gets it. */
  async #choose(
    tx: Sql,
    tenant: string,
    created: readonly NewSubject[],
  ): Promise<{ results: SubjectCreation[]; accepted: readonly Accepted[] }> {
    const wanted = created.map((one) => ({
      ...one,
      phoneKeys: (one.profile.phones ?? []).map((phone) => storedPhoneOf(this.names, tenant, phone)),
    }));
    const repeated = await this.#repeated(
      tx,
      wanted.map(({ rowId }) => rowId),
    );
    const rows = await tx.query<{ subject_id: string }>(FIND_EXISTING, [tenant, wanted.map(({ subject }) => subject)]);
    const existing = new Set(rows.map(({ subject_id: subject }) => subject));
    const keys = wanted.flatMap(({ phoneKeys }) => phoneKeys);
    const taken = new Set((await this.#owners(tx, tenant, keys)).keys());
    const accepted: Accepted[] = [];
    const results = wanted.map((one): SubjectCreation => {
      if (repeated.has(one.rowId)) return 'repeated';
      if (existing.has(one.subject)) return 'exists';
      if (one.phoneKeys.some((key) => taken.has(key))) return 'taken';
      for (const key of one.phoneKeys) taken.add(key);
      accepted.push(one);
      return 'created';
    });
    return { results, accepted };
  }

  async #nextVersions(tx: Sql, tenant: string, accepted: readonly Accepted[]): Promise<VersionOf> {
    const parts = accepted.flatMap(({ subject, credentials }) => [
      [subject, 'profile'] as const,
      ...credentials.map(({ kind }) => [subject, kind] as const),
    ]);
    const rows = await tx.query<{ subject_id: string; part: string; version: number; written_us: string }>(
      NEXT_VERSIONS,
      [tenant, parts.map(([subject]) => subject), parts.map(([, part]) => part)],
    );
    const versions = new Map(
      rows.map((row) => [`${row.part} ${row.subject_id}`, { version: row.version, writtenAt: row.written_us }]),
    );
    return (subject, part) => {
      const version = versions.get(`${part} ${subject}`);
      if (version === undefined) throw new ServiceError('INTERNAL', 'A new version has no row', true);
      return version;
    };
  }

  async #writeProfiles(tx: Sql, tenant: string, accepted: readonly Accepted[], versionOf: VersionOf): Promise<void> {
    const profiles = accepted.map(({ subject, profile }) => {
      const { version } = versionOf(subject, 'profile');
      return { subject, version, ...this.#profiles.wrapped(tenant, subject, version, profile) };
    });
    await tx.query(CREATE_SUBJECTS, [
      tenant,
      profiles.map(({ subject }) => subject),
      profiles.map(({ incarnation }) => incarnation),
      profiles.map(({ version }) => version),
      profiles.map(({ bytes }) => bytes),
      profiles.map(({ ownKey }) => ownKey?.keyId),
      profiles.map(({ ownKey }) => ownKey?.bytes),
    ]);
    const phones = accepted.flatMap(({ subject, phoneKeys }) =>
      phoneKeys.map((key) => {
        const tag = phoneTag(this.names, tenant, key, subject, versionOf(subject, 'profile').version);
        return [key, subject, tag] as const;
      }),
    );
    await tx.query(ADD_PHONES_OF_MANY, [
      tenant,
      phones.map(([key]) => key),
      phones.map(([, subject]) => subject),
      phones.map(([, , tag]) => tag),
    ]);
  }

  async #writeCredentials(tx: Sql, tenant: string, accepted: readonly Accepted[], versionOf: VersionOf): Promise<void> {
    const rows = accepted.flatMap(({ subject, credentials }) =>
      credentials.map(({ kind, mustChange, cap, hashForm, wrap }) => {
        const { version, writtenAt: enrolledAt } = versionOf(subject, kind);
        const row = { kind, tenant, subject, version, cap, mustChange, enrolledAt, hashForm };
        return { ...row, ...wrap(row) };
      }),
    );
    if (rows.length === 0) return;
    await tx.query(CREATE_CREDENTIALS, [
      tenant,
      rows.map(({ subject }) => subject),
      rows.map(({ kind }) => kind),
      rows.map(({ version }) => version),
      rows.map(({ keyId }) => keyId),
      rows.map(({ wrapped }) => wrapped),
      rows.map(({ mustChange }) => mustChange),
      rows.map(({ cap }) => cap),
      rows.map(({ enrolledAt }) => enrolledAt),
      rows.map(({ hashForm }) => hashForm ?? null),
    ]);
  }

  /** As the facts of single changes: the fields of the profile, and each credential. */
  async #factsOf(
    tx: Sql,
    tenant: string,
    origin: ImportOrigin,
    accepted: readonly Accepted[],
    versionOf: VersionOf,
  ): Promise<FactRecorded[]> {
    const { importId, actor } = origin;
    const now = await databaseTime(tx);
    return accepted.flatMap(({ subject, profile, credentials }) => {
      const about = {
        tenant,
        subject,
        subjectKey: this.hash.subjectKey(tenant, 'id', subject),
        commandId: importId,
        actor,
      };
      const fields = Object.keys(profile).join(' ');
      return [
        factRecorded('subject.changed', now, { ...about, detail: { fields } }),
        ...credentials.map(({ kind, mustChange }) => {
          const { version } = versionOf(subject, kind);
          const detail = { credential: kind, version, by: 'administrator', ...(mustChange ? { mustChange } : {}) };
          return factRecorded('credential.enrolled', now, { ...about, detail });
        }),
      ];
    });
  }

  async #profileOf(tenant: string, row: VersionedProfile): Promise<Profile> {
    await this.#bindings.requireLatest(tenant, row);
    return this.#bindings.opened(tenant, row, () => this.#profiles.open(tenant, row) ?? {});
  }

  async #repeated(sql: Sql, commandIds: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await sql.query<{ message_id: string }>(FIND_REPEATED, [INBOX, commandIds]);
    return new Set(rows.map(({ message_id: id }) => id));
  }

  async #owners(sql: Sql, tenant: string, keys: readonly string[]): Promise<ReadonlyMap<string, string>> {
    if (keys.length === 0) return new Map();
    const rows = await sql.query<{ phone_key: string; subject_id: string }>(FIND_OWNERS, [tenant, keys]);
    return new Map(rows.map(({ phone_key: key, subject_id: subject }) => [key, subject]));
  }
}

type VersionOf = (subject: string, part: 'profile' | Method) => Version;
