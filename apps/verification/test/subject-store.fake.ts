import { randomUUID } from 'node:crypto';
import { type KeyedHash } from '@countersign/crypto';
import {
  arePreconditionsMet,
  METHODS,
  taggedPartOfSubject,
  type Actor,
  type Method,
  type Preconditions,
} from '@countersign/contracts';
import { maskedPhone } from '@countersign/normalization';
import {
  attemptsAt,
  LOWEST_CAP,
  NEW_COUNTER,
  resetForNewCredential,
  type AttemptCounter,
} from '../src/attempts/gate/attempt-counter.decision.js';
import { storedPhoneOf } from '../src/integrity/stored-names.js';
import { changeProfile, type Profile, type ProfileChange } from '../src/subjects/profiles/profile.decision.js';
import {
  matchesFilter,
  shownFailures,
  type CounterState,
  type NewRecognizedCaller,
  type RecognizedCaller,
  type SubjectState,
} from '../src/subjects/subject-state.decision.js';
import {
  SubjectStore,
  type FoundSubject,
  type SubjectChange,
  type SubjectList,
  type SubjectQuery,
} from '../src/subjects/subjects.ports.js';
import { type EnrolledCredential, type NewCredential } from '../src/credentials/credentials.ports.js';
import { REMOVED_PIN, type RemovedPin, type StoredCredential } from '../src/credentials/credential.decision.js';
import { type FakeAttemptGate } from './attempt-gate.fake.js';

interface Subject {
  readonly incarnation: string;
  readonly createdAt: string;
  readonly updatedAt: string;
  profile: Profile;
  /** Those in force. */
  credentials: Partial<Record<Method, StoredCredential>>;
  removed?: RemovedPin | undefined;
}

/** The fake of the PostgreSQL store for tests of use cases. */
export class FakeSubjectStore extends SubjectStore {
  readonly #subjects = new Map<string, Subject>();
  readonly #phones = new Map<string, string>();
  /** Command ids of enrolments, as events name them. */
  readonly enrolments: string[] = [];
  readonly #seen = new Set<string>();
  /** The highest version that each credential ever had. */
  readonly #versions = new Map<string, number>();

  constructor(
    private readonly hash: KeyedHash,
    /** Holds the counters that a new credential resets. */
    private readonly attempts: FakeAttemptGate,
  ) {
    super();
  }

  override find(tenant: string, kind: 'id' | 'phone', ref: string, method: Method): Promise<FoundSubject> {
    const id = kind === 'id' ? ref : this.#phones.get(`${tenant}/${ref}`);
    const subject = id === undefined ? undefined : this.#subjects.get(`${tenant}/${id}`);
    const known = subject !== undefined && id !== undefined;
    return Promise.resolve({
      id: known ? id : undefined,
      incarnation: known ? subject.incarnation : undefined,
      referenceKey: known ? this.hash.subjectKey(tenant, 'id', id) : this.hash.subjectKey(tenant, kind, ref),
      displayName: subject?.profile.displayName,
      locale: subject?.profile.locale,
      credential: subject?.credentials[method],
      mustChange: subject?.credentials[method]?.mustChange === true,
      cap: subject?.credentials[method]?.cap ?? LOWEST_CAP,
      hashForm: subject?.credentials[method]?.hashForm,
    });
  }

  override change(
    commandId: string,
    tenant: string,
    subject: string,
    change: ProfileChange,
    mustExist = false,
    _actor?: Actor,
    preconditions?: Preconditions,
  ): Promise<SubjectChange> {
    const before = this.#subjects.get(`${tenant}/${subject}`);
    if (!before && mustExist) return Promise.resolve('not_found');
    if (this.#seen.has(commandId)) return Promise.resolve('updated');
    if (!this.meets(tenant, subject, preconditions)) return Promise.resolve('precondition_failed');
    const keys = (change.phones ?? []).map((phone) => `${tenant}/${storedPhoneOf(this.hash, tenant, phone)}`);
    if (keys.some((key) => (this.#phones.get(key) ?? subject) !== subject)) return Promise.resolve('taken');
    this.#seen.add(commandId);
    if (change.phones) this.#removePhones(tenant, subject);
    for (const key of keys) this.#phones.set(key, subject);
    // Later than before, as in PostgreSQL.
    const changedAt = new Date(Math.max(Date.now(), before ? Date.parse(before.updatedAt) + 1 : 0)).toISOString();
    this.#subjects.set(`${tenant}/${subject}`, {
      incarnation: before?.incarnation ?? randomUUID(),
      createdAt: before?.createdAt ?? changedAt,
      updatedAt: changedAt,
      credentials: before?.credentials ?? {},
      removed: before?.removed,
      profile: changeProfile(before?.profile ?? {}, change).profile,
    });
    return Promise.resolve(before ? 'updated' : 'created');
  }

  meets(tenant: string, subject: string, preconditions: Preconditions = {}): boolean {
    const state = this.#state(tenant, subject, 0);
    return arePreconditionsMet(preconditions, state && taggedPartOfSubject(state));
  }

  override enrolled(
    commandId: string,
    tenant: string,
    subject: string,
    kind: Method,
  ): Promise<EnrolledCredential | undefined> {
    const known = this.#subjects.get(`${tenant}/${subject}`);
    const inForce = known?.credentials[kind];
    return Promise.resolve(
      known && {
        repeated: this.#seen.has(commandId),
        phones: known.profile.phones ?? [],
        version: this.#versions.get(`${tenant}/${subject}/${kind}`) ?? 0,
        disabled: this.#attemptCounter(tenant, subject, kind).disabled,
        inForce,
        removed: inForce === undefined ? known.removed : undefined,
      },
    );
  }

  override enrol(
    commandId: string,
    tenant: string,
    subject: string,
    { kind, replaces, again, mustChange, cap, keeps, hashForm, receivedCommandId = commandId, wrap }: NewCredential,
  ): Promise<'created' | 'updated' | 'not_found' | 'outdated'> {
    const known = this.#subjects.get(`${tenant}/${subject}`);
    if (!known) return Promise.resolve('not_found');
    if (this.#seen.has(commandId)) return Promise.resolve('updated');
    const before = known.credentials[kind];
    const name = `${tenant}/${subject}/${kind}`;
    if ((this.#versions.get(name) ?? 0) !== replaces) return Promise.resolve('outdated');
    this.#seen.add(commandId);
    this.enrolments.push(receivedCommandId);
    const version = (this.#versions.get(name) ?? 0) + 1;
    this.#versions.set(name, version);
    const enrolledAt = String(this.attempts.now() * 1000);
    const row = { kind, tenant, subject, version, cap, mustChange, enrolledAt, hashForm };
    known.credentials[kind] = { ...row, ...wrap(row) };
    if (kind === 'pin') known.removed = undefined;
    if (keeps !== undefined) this.attempts.carryOver(keeps, version);
    // What was stored of a caller is not shown while the caller is not recognized, so it may remain here.
    if (!again) this.attempts.change(tenant, this.hash.subjectKey(tenant, 'id', subject), kind, resetForNewCredential);
    return Promise.resolve(before ? 'updated' : 'created');
  }

  override removeCredential(
    commandId: string,
    tenant: string,
    subject: string,
    kind: Method,
  ): Promise<'removed' | 'not_found'> {
    const known = this.#subjects.get(`${tenant}/${subject}`);
    if (known && this.#seen.has(commandId)) return Promise.resolve('removed');
    const credential = known?.credentials[kind];
    if (!known || !credential) return Promise.resolve('not_found');
    this.#seen.add(commandId);
    const name = `${tenant}/${subject}/${kind}`;
    this.#versions.set(name, (this.#versions.get(name) ?? 0) + 1);
    known.credentials = Object.fromEntries(Object.entries(known.credentials).filter(([method]) => method !== kind));
    if (kind === 'pin') known.removed = { ...credential, kind: REMOVED_PIN };
    return Promise.resolve('removed');
  }

  override async list(tenant: string, query: SubjectQuery): Promise<SubjectList> {
    const { limit, after = '', phone, credential, windowSeconds } = query;
    const owner =
      phone === undefined ? undefined : this.#phones.get(`${tenant}/${storedPhoneOf(this.hash, tenant, phone)}`);
    const ids = [...this.#subjects.keys()]
      .filter((key) => key.startsWith(`${tenant}/`))
      .map((key) => key.slice(tenant.length + 1))
      .filter((id) => id > after && (phone === undefined || id === owner));
    const states = await Promise.all(ids.sort().map((id) => this.state(tenant, id, windowSeconds)));
    const found = states.flatMap((state) => (state && matchesFilter(state.credentials, credential) ? [state] : []));
    const items = found.slice(0, limit);
    return { items, next: found.length > limit ? items.at(-1)?.subject : undefined };
  }

  override state(tenant: string, subject: string, windowSeconds: number): Promise<SubjectState | undefined> {
    return Promise.resolve(this.#state(tenant, subject, windowSeconds));
  }

  #state(tenant: string, subject: string, windowSeconds: number): SubjectState | undefined {
    const known = this.#subjects.get(`${tenant}/${subject}`);
    if (!known) return undefined;
    const { displayName, locale, phones = [] } = known.profile;
    return {
      subject,
      displayName,
      locale,
      phones: phones.map(maskedPhone),
      pinEnrolled: known.credentials.pin !== undefined,
      pinMustChange: known.credentials.pin?.mustChange === true,
      knowledgeEnrolled: known.credentials.knowledge !== undefined,
      ...this.#counter(tenant, subject, 'pin', windowSeconds),
      credentials: METHODS.filter((method) => known.credentials[method] !== undefined).map((method) => ({
        method,
        enrolledAt: known.updatedAt,
        mustChange: known.credentials[method]?.mustChange === true,
        ...this.#counter(tenant, subject, method, windowSeconds),
        recognizedCallers: this.#callers(tenant, subject, method),
      })),
      createdAt: known.createdAt,
      updatedAt: known.updatedAt,
    };
  }

  /** Seals nothing. */
  override sealCaller(
    _tenant: string,
    _subject: string,
    { callerTail, firstVerifiedAt }: NewRecognizedCaller,
  ): Promise<string> {
    return Promise.resolve(JSON.stringify({ callerTail, firstVerifiedAt }));
  }

  #callers(tenant: string, subject: string, method: Method): RecognizedCaller[] {
    const sealed = this.attempts.sealedCallers;
    const callers = this.#attemptCounter(tenant, subject, method).callers.toReversed();
    return callers.map(
      (caller) => JSON.parse(sealed.get([tenant, subject, method, caller].join('/')) ?? '{}') as RecognizedCaller,
    );
  }

  #attemptCounter(tenant: string, subject: string, method: Method): AttemptCounter {
    return this.attempts.counter(tenant, this.hash.subjectKey(tenant, 'id', subject), method) ?? NEW_COUNTER;
  }

  #counter(tenant: string, subject: string, method: Method, windowSeconds: number): CounterState {
    const { recognized, unrecognized, disabled, failures } = this.#attemptCounter(tenant, subject, method);
    const windows = [recognized, unrecognized];
    const now = this.attempts.now();
    const attempts = windows.flatMap((window) => attemptsAt(window, now, { windowSeconds }));
    const locks = windows.flatMap(({ lockedUntil: until = 0 }) => (until > now ? [until] : []));
    return {
      attemptsInWindow: attempts.length,
      lockedUntil: locks.length > 0 ? new Date(Math.max(...locks)).toISOString() : undefined,
      consecutiveFailures: shownFailures({ failures, disabled }),
      disabled,
    };
  }

  /** False: there is no such subject. */
  remove(tenant: string, subject: string): boolean {
    this.#removePhones(tenant, subject);
    return this.#subjects.delete(`${tenant}/${subject}`);
  }

  #removePhones(tenant: string, subject: string): void {
    for (const [key, owner] of this.#phones)
      if (owner === subject && key.startsWith(`${tenant}/`)) this.#phones.delete(key);
  }
}
