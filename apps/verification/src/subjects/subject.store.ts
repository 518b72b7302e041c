import {
  encodeMessage,
  type Actor,
  type FactRecorded,
  type Method,
  type Preconditions,
  factRecorded,
} from '@countersign/contracts';
import { traceHeaders } from '@countersign/observability';
import {
  Batched,
  Inbox,
  Outbox,
  UniqueViolation,
  type Database,
  type Sql,
  databaseTime,
} from '@countersign/persistence';
import { constantTimeEquals, DecryptionError, type KeyedHash, type Keyring } from '@countersign/crypto';
import { ServiceError, SteadyClock } from '@countersign/runtime';
import { credentialContext, phoneTag } from '@countersign/stored-secrets';
import { counterKeyOf } from '../attempts/gate/attempt-counter.decision.js';
import { changeProfile, type Profile, type ProfileChange } from './profiles/profile.decision.js';
import { type NewRecognizedCaller, type SubjectState } from './subject-state.decision.js';
import {
  SubjectStore,
  type FoundSubject,
  type SubjectChange,
  type SubjectList,
  type SubjectQuery,
} from './subjects.ports.js';
import { REMOVED_PIN, type RemovedPin } from '../credentials/credential.decision.js';
import { type EnrolledCredential, type NewCredential } from '../credentials/credentials.ports.js';
import { CallerVault, REMOVE_SEALED_CALLERS } from './caller-vault.store.js';
import { DecoyCaps } from './decoy-caps.js';
import { ProfileVault, type StoredProfile } from './profiles/profile-vault.store.js';
import { NAME_SUBJECTS, RESET_FOR_NEW_CREDENTIAL } from '../attempts/gate/attempt-counter.sql.js';
import {
  SubjectBindings,
  type VersionedCredential,
  type VersionedProfile,
} from '../integrity/subject-bindings.store.js';
import {
  ADD_PHONES,
  FIND_ENROLLED,
  FIND_REMOVED_PIN,
  FIND_SUBJECTS,
  FIND_WITHOUT_KEY,
  LATEST_VERSION,
  LOCK_SUBJECT,
  NEXT_VERSION,
  REMOVE_CREDENTIAL,
  REMOVE_PHONES,
  STORE_CREDENTIAL,
} from './subject.sql.js';
import { PreconditionFailed, SubjectStates } from './subject-state.store.js';
import { lockTenant, mayCreateSubjects } from './erasure/tenant-erasure.store.js';
import { storedPhoneOf } from '../integrity/stored-names.js';
import { type ReportTampering } from '../integrity/tamper-reports.store.js';
import { carryOver } from '../calls/verification-records.store.js';

interface FoundRow extends VersionedProfile, VersionedCredential {
  readonly phone_tag: string | null;
}

interface EnrolledRow extends VersionedProfile, VersionedCredential {
  readonly repeated: boolean;
  readonly disabled: boolean;
}

/** A credential row that was deleted. */
interface RemovedCredential {
  readonly credential_version: number;
  readonly credential_key_id: string;
  readonly wrapped: Buffer;
  readonly must_change: boolean;
  readonly cap: number;
  readonly enrolled_us: string;
  readonly hash_form: string | null;
}

/** A subject whose row is locked. */
interface LockedSubject {
  readonly incarnation: string;
  readonly version: number;
  readonly profile: Profile;
  readonly ownKey: Keyring | undefined;
}

/** A subject reference of a verification, with the requested method. */
interface Reference {
  readonly tenant: string;
  readonly kind: 'id' | 'phone';
  readonly ref: string;
  readonly method: Method;
}

/** A place in the order in which subjects without a key are found. */
export interface SubjectPosition {
  readonly tenant: string;
  readonly subject_id: string;
}

export interface ReplacedKeys {
  readonly replaced: number;
  /** Where the next call continues; undefined: no subject follows. */
  readonly next: SubjectPosition | undefined;
}

/** The consumer in the inbox. */
export const INBOX = 'subject-commands';

/** Subjects in PostgreSQL. Profiles are encrypted; telephone numbers are found by their keyed hash. */
export class PostgresSubjectStore extends SubjectStore {
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  readonly #profiles: ProfileVault;
  readonly #bindings: SubjectBindings;
  readonly #find: Batched<Reference, FoundRow | undefined>;
  readonly #decoyCaps: DecoyCaps;
  readonly #states: SubjectStates;
  readonly #callers: CallerVault;

  constructor(
    private readonly database: Database,
    private readonly keyring: Keyring,
    /** Under the names key: names in the tables. */
    private readonly names: KeyedHash,
    /** Of IDENTIFIER_KEY: names in events. */
    private readonly hash: KeyedHash,
    private readonly wakeRelay: () => void,
    private readonly report?: ReportTampering,
    /** Time of the creation of a tenant, as the directory publishes it. */
    private readonly tenantCreatedAt: (tenant: string) => string | undefined = () => undefined,
  ) {
    super();
    this.#bindings = new SubjectBindings(keyring, names, report);
    this.#states = new SubjectStates(database, keyring, names, report);
    this.#callers = new CallerVault(keyring);
    this.#inbox = new Inbox(database);
    this.#outbox = new Outbox(database);
    this.#profiles = new ProfileVault(keyring);
    this.#decoyCaps = new DecoyCaps(database, new SteadyClock());
    this.#find = new Batched({
      requesterOf: ({ tenant }) => ({ tenant, agent: '', caller: '' }),
      run: (references) => this.#findAll(references),
    });
  }

  override async find(tenant: string, kind: 'id' | 'phone', ref: string, method: Method): Promise<FoundSubject> {
    const row = await this.#find.call({ tenant, kind, ref, method });
    // A known subject has one counter, whether the request names it by id or by number.
    const referenceKey = row
      ? this.names.subjectKey(tenant, 'id', row.subject_id)
      : this.names.subjectKey(tenant, kind, ref);
    const decoy = await this.#decoyCaps.of(tenant, method, referenceKey);
    if (!row) {
      const unknown = {
        id: undefined,
        incarnation: undefined,
        displayName: undefined,
        locale: undefined,
        credential: undefined,
      };
      return { ...unknown, mustChange: false, ...decoy, referenceKey };
    }
    await this.#bindings.requireLatest(tenant, row);
    if (kind === 'phone') await this.#bindings.requirePhone(tenant, ref, row, row.phone_tag);
    const profile = await this.#bindings.opened(tenant, row, () => this.#profiles.open(tenant, row));
    const credential = await this.#bindings.credential(tenant, row.subject_id, method, row);
    return {
      id: row.subject_id,
      incarnation: profile && row.incarnation,
      referenceKey,
      displayName: profile?.displayName,
      locale: profile?.locale,
      credential,
      mustChange: credential?.mustChange === true,
      cap: credential?.cap ?? decoy.cap,
      hashForm: credential ? credential.hashForm : decoy.hashForm,
    };
  }

  async #findAll(references: readonly Reference[]): Promise<(FoundRow | undefined)[]> {
    const database = this.database.forTenants(references.map(({ tenant }) => tenant));
    const rows = await database.prepared<FoundRow & { place: number }>('verification.find', FIND_SUBJECTS, [
      JSON.stringify(references.map(({ tenant, kind, ref, method }, place) => ({ place, tenant, kind, ref, method }))),
    ]);
    const found = new Map(rows.map((row) => [row.place, row]));
    return references.map((_, place) => found.get(place));
  }

  override async change(
    commandId: string,
    tenant: string,
    subject: string,
    change: ProfileChange,
    mustExist = false,
    actor?: Actor,
    preconditions?: Preconditions,
  ): Promise<SubjectChange> {
    try {
      const result = await this.database.forTenants([tenant]).transaction(async (tx) => {
        await lockId(tx, tenant, subject);
        const before = await this.#lock(tx, tenant, subject);
        if (!before && (mustExist || !(await this.#mayCreate(tx, tenant)))) return 'not_found';
        if (!(await this.#inbox.claim(tx, INBOX, commandId))) return 'updated';
        await this.#states.require(tx, tenant, subject, preconditions);
        const { profile, changed } = changeProfile(before?.profile ?? {}, change);
        // Given numbers are written even if they are equal, because their rows may have been altered.
        if (before && changed.length === 0 && change.phones === undefined) return 'updated';
        const { version } = await this.#nextVersion(tx, tenant, subject, 'profile');
        await this.#profiles.write(tx, tenant, subject, version, profile, before);
        await this.#writePhones(tx, tenant, subject, version, before?.version, change.phones);
        if (before && changed.length === 0) return 'updated';
        const detail = { fields: changed.join(' ') };
        await this.#record(tx, tenant, subject, 'subject.changed', { commandId, actor, detail });
        return before ? 'updated' : 'created';
      });
      this.wakeRelay();
      return result;
    } catch (error) {
      if (error instanceof UniqueViolation && error.constraint === 'subject_phones_pkey') return 'taken';
      if (error instanceof PreconditionFailed) return 'precondition_failed';
      throw error;
    }
  }

  async #mayCreate(tx: Sql, tenant: string): Promise<boolean> {
    await lockTenant(tx, tenant, 'shared');
    return mayCreateSubjects(tx, tenant, this.tenantCreatedAt(tenant));
  }

  /**
   * Gives each subject without a key a new key and incarnation. Its name, its language and the readable copy of its numbers are
   * lost with the old key. A subject with rows that were altered is skipped.
   * @param after where the previous call ended
   * @param limit how many subjects this call may change
   */
  async replaceMissingKeys(after: SubjectPosition | undefined, limit: number): Promise<ReplacedKeys> {
    const found = await this.database
      .forAllTenants()
      .query<SubjectPosition>(FIND_WITHOUT_KEY, [after?.tenant ?? '', after?.subject_id ?? '', limit]);
    let replaced = 0;
    for (const { tenant, subject_id: subject } of found)
      if (await this.#replaceMissingKey(tenant, subject).catch(ifBroken)) replaced += 1;
    return { replaced, next: found.length < limit ? undefined : found.at(-1) };
  }

  #replaceMissingKey(tenant: string, subject: string): Promise<boolean> {
    return this.database.forTenants([tenant]).transaction(async (tx) => {
      await lockId(tx, tenant, subject);
      const before = await this.#lock(tx, tenant, subject);
      if (before === undefined || before.ownKey !== undefined) return false;
      const { version } = await this.#nextVersion(tx, tenant, subject, 'profile');
      await this.#profiles.write(tx, tenant, subject, version, before.profile, before);
      await this.#writePhones(tx, tenant, subject, version, before.version, undefined);
      return true;
    });
  }

  override async enrolled(
    commandId: string,
    tenant: string,
    subject: string,
    kind: Method,
  ): Promise<EnrolledCredential | undefined> {
    const counter = counterKeyOf(this.names.subjectKey(tenant, 'id', subject), kind);
    const [row] = await this.database
      .forTenants([tenant])
      .query<EnrolledRow>(FIND_ENROLLED, [tenant, subject, kind, commandId, counter]);
    if (!row) return undefined;
    await this.#bindings.requireLatest(tenant, row);
    // A credential from an older state does not count, and must not keep the subject from getting a new one.
    const credential = this.#bindings.credential(tenant, subject, kind, row);
    const isEnrolled = row.credential_version !== null;
    return {
      repeated: row.repeated,
      phones: (await this.#openProfile(tenant, row)).phones ?? [],
      version: row.latest_credential ?? 0,
      disabled: row.disabled,
      inForce: await credential.catch((error: unknown) => ifBroken(error)),
      removed: kind === 'pin' && !isEnrolled ? await this.#removedPin(tenant, subject) : undefined,
    };
  }

  /** Undefined also for a row from an older state, which must not keep the subject from getting a new PIN. */
  async #removedPin(tenant: string, subject: string): Promise<RemovedPin | undefined> {
    const [row] = await this.database
      .forTenants([tenant])
      .query<VersionedCredential>(FIND_REMOVED_PIN, [tenant, subject]);
    const removed = row && (await this.#bindings.credential(tenant, subject, 'pin', row).catch(ifBroken));
    return removed && { ...removed, kind: REMOVED_PIN };
  }

  override async enrol(
    commandId: string,
    tenant: string,
    subject: string,
    credential: NewCredential,
  ): Promise<'created' | 'updated' | 'not_found' | 'outdated'> {
    const { kind, replaces, again, mustChange, cap, by, keeps, hashForm, actor } = credential;
    const { receivedCommandId = commandId } = credential;
    const subjectKey = this.names.subjectKey(tenant, 'id', subject);
    let altered = false;
    const result = await this.database.forTenants([tenant]).transaction(async (tx) => {
      if (!(await this.#lock(tx, tenant, subject))) return 'not_found';
      const [before] = await tx.query(
        'SELECT 1 FROM verification.credentials WHERE tenant = $1 AND subject_id = $2 AND kind = $3',
        [tenant, subject, kind],
      );
      if (await isSeen(tx, commandId)) return 'updated';
      const [latest] = await tx.query<{ version: number | null }>(LATEST_VERSION, [tenant, subject, kind]);
      if ((latest?.version ?? 0) !== replaces) return 'outdated';
      await this.#inbox.claim(tx, INBOX, commandId);
      const { version, writtenAt: enrolledAt } = await this.#nextVersion(tx, tenant, subject, kind);
      const bound = { kind, tenant, subject, version, cap, mustChange, enrolledAt, hashForm };
      const { keyId, wrapped } = credential.wrap(bound);
      const row = [tenant, subject, kind, version, keyId, wrapped, mustChange, cap, enrolledAt, hashForm ?? null];
      await tx.query(STORE_CREDENTIAL, row);
      if (keeps !== undefined) await carryOver(tx, this.names, tenant, keeps, version);
      const counter = [counterKeyOf(subjectKey, kind)];
      if (!again) altered = (await tx.query(RESET_FOR_NEW_CREDENTIAL, [tenant, counter])).length > 0;
      if (!again) await tx.query(REMOVE_SEALED_CALLERS, [tenant, subject, kind]);
      await tx.query(NAME_SUBJECTS, [tenant, counter, [subject]]);
      const detail = { credential: kind, version, by, ...(mustChange ? { mustChange } : {}) };
      const changed = before ? 'credential.changed' : 'credential.enrolled';
      await this.#record(tx, tenant, subject, changed, { commandId: receivedCommandId, actor, detail });
      return before ? 'updated' : 'created';
    });
    this.wakeRelay();
    if (altered) await this.report?.({ what: 'counter', reason: 'differs_from_ledger', tenant, subject, subjectKey });
    return result;
  }

  override async removeCredential(
    commandId: string,
    tenant: string,
    subject: string,
    kind: Method,
    actor?: Actor,
  ): Promise<'removed' | 'not_found'> {
    const result = await this.database.forTenants([tenant]).transaction(async (tx) => {
      if (!(await this.#lock(tx, tenant, subject))) return 'not_found';
      if (await isSeen(tx, commandId)) return 'removed';
      const [row] = await tx.query<RemovedCredential>(REMOVE_CREDENTIAL, [tenant, subject, kind]);
      if (!row) return 'not_found';
      await this.#inbox.claim(tx, INBOX, commandId);
      // Taken for answers too: a row that is put back is not the latest version.
      const { version, writtenAt } = await this.#nextVersion(tx, tenant, subject, kind);
      if (kind === 'pin') await this.#keepRemovedPin(tx, tenant, subject, row, version, writtenAt);
      const detail = { credential: kind, version: row.credential_version, by: 'administrator' };
      await this.#record(tx, tenant, subject, 'credential.removed', { commandId, actor, detail });
      return 'removed';
    });
    this.wakeRelay();
    return result;
  }

  /** Keeps nothing of a PIN that does not decrypt. */
  async #keepRemovedPin(
    tx: Sql,
    tenant: string,
    subject: string,
    removed: RemovedCredential,
    version: number,
    enrolledAt: string,
  ): Promise<void> {
    const { must_change: mustChange, cap, hash_form: hashForm } = removed;
    const row = { kind: 'pin', tenant, subject, version: removed.credential_version, cap, mustChange, hashForm };
    const stored = { keyId: removed.credential_key_id, bytes: removed.wrapped };
    let pins: string;
    try {
      pins = this.keyring.unwrap(stored, credentialContext({ ...row, enrolledAt: removed.enrolled_us }));
    } catch (error) {
      if (error instanceof DecryptionError) return;
      throw error;
    }
    const kept = this.keyring.wrap(pins, credentialContext({ ...row, kind: REMOVED_PIN, version, enrolledAt }));
    const { keyId, bytes } = kept;
    const values = [tenant, subject, REMOVED_PIN, version, keyId, bytes, mustChange, cap, enrolledAt, hashForm];
    await tx.query(STORE_CREDENTIAL, values);
  }

  override state(tenant: string, subject: string, windowSeconds: number): Promise<SubjectState | undefined> {
    return this.#states.one(tenant, subject, windowSeconds);
  }

  override sealCaller(tenant: string, subject: string, caller: NewRecognizedCaller): Promise<string | undefined> {
    return this.#callers.seal(this.database.forTenants([tenant]), tenant, subject, caller);
  }

  override list(tenant: string, query: SubjectQuery): Promise<SubjectList> {
    return this.#states.page(tenant, query);
  }

  async #lock(tx: Sql, tenant: string, subject: string): Promise<LockedSubject | undefined> {
    const [row] = await tx.query<StoredProfile>(LOCK_SUBJECT, [tenant, subject]);
    if (!row) return undefined;
    // Read after the row is locked: a statement that waits for the lock sees the versions of the time when it began.
    const [latest] = await tx.query<{ version: number | null }>(LATEST_VERSION, [tenant, subject, 'profile']);
    await this.#bindings.requireLatest(tenant, { ...row, latest_version: latest?.version ?? null });
    const profile = await this.#openProfile(tenant, row);
    return { incarnation: row.incarnation, version: row.version, profile, ownKey: this.#profiles.keyOf(tenant, row) };
  }

  async #nextVersion(
    tx: Sql,
    tenant: string,
    subject: string,
    part: 'profile' | Method,
  ): Promise<{ version: number; writtenAt: string }> {
    const [row] = await tx.query<{ version: number; written_us: string }>(NEXT_VERSION, [tenant, subject, part]);
    if (!row) throw new ServiceError('INTERNAL', 'A new version has no row', true);
    return { version: row.version, writtenAt: row.written_us };
  }

  /**
   * Binds the numbers of a subject to its new version: the given ones, or else the stored ones.
   * @param before the version that the stored ones are bound to
   */
  async #writePhones(
    tx: Sql,
    tenant: string,
    subject: string,
    version: number,
    before: number | undefined,
    phones: readonly string[] | undefined,
  ): Promise<void> {
    const removed = await tx.query<{ phone_key: string; tag: string }>(REMOVE_PHONES, [tenant, subject]);
    const tagOf = (key: string, at: number): string => phoneTag(this.names, tenant, key, subject, at);
    const bound = removed.filter(
      ({ phone_key: key, tag }) => before !== undefined && constantTimeEquals(tag, tagOf(key, before)),
    );
    if (bound.length < removed.length && phones === undefined)
      await this.#bindings.refuse('phone', 'altered', tenant, subject);
    const keys = phones?.map((phone) => storedPhoneOf(this.names, tenant, phone)) ?? bound.map((row) => row.phone_key);
    const distinct = [...new Set(keys)].sort();
    await tx.query(ADD_PHONES, [tenant, subject, distinct, distinct.map((key) => tagOf(key, version))]);
  }

  async #record(
    tx: Sql,
    tenant: string,
    subject: string,
    kind: FactRecorded['kind'],
    { actor, ...fields }: Pick<FactRecorded, 'commandId' | 'detail'> & { readonly actor: Actor | undefined },
  ): Promise<void> {
    const fact = factRecorded(kind, await databaseTime(tx), {
      tenant,
      subject,
      subjectKey: this.hash.subjectKey(tenant, 'id', subject),
      ...fields,
      ...(actor && { actor }),
    });
    await this.#outbox.add(tx, [encodeMessage(fact.factId, fact, traceHeaders())]);
  }

  #openProfile(tenant: string, row: StoredProfile): Promise<Profile> {
    return this.#bindings.opened(tenant, row, () => this.#profiles.open(tenant, row) ?? {});
  }
}

/**
 * Lets one transaction at a time write the profile of a subject, also of one without a row to lock. The statements after it see
 * the key that the previous transaction wrote; one that waits for the row of the subject would not.
 */
async function lockId(tx: Sql, tenant: string, subject: string): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [subjectLock(tenant, subject)]);
}

/** The name of the lock of a subject. */
export const subjectLock = (tenant: string, subject: string): string => `subject:${tenant}:${subject}`;
async function isSeen(tx: Sql, commandId: string): Promise<boolean> {
  const sql = `SELECT FROM verification.inbox WHERE consumer = '${INBOX}' AND message_id = $1`;
  return (await tx.query(sql, [commandId])).length > 0;
}

function ifBroken(error: unknown): undefined {
  if (error instanceof ServiceError && error.code === 'CREDENTIAL_BROKEN') return undefined;
  throw error;
}
