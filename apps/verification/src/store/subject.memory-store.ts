import { type KeyedHash } from '@countersign/sealing';
import { METHODS, type Method } from '@countersign/contracts';
import { FRESH, LOWEST_CAP, renew, type Guard } from '../domain/attempts.js';
import { PIN_HISTORY } from '../domain/pin-rules.js';
import { shownFailures, type GuessCounter, type SubjectState } from '../domain/subject-state.js';
import {
  SubjectStore,
  type Enrolled,
  type FoundSubject,
  type NewCredential,
  type Profile,
  type StoredCredential,
  type SubjectChange,
} from '../ports.js';
import { type MemoryAttemptStore } from './attempt.memory-store.js';

interface Subject {
  profile: Profile;
  /** By kind, the one in force first. */
  credentials: Partial<Record<Method, readonly StoredCredential[]>>;
  caps: Partial<Record<Method, number>>;
  mustChange: boolean;
}

/** The twin of the PostgreSQL store for tests of use cases. */
export class MemorySubjectStore extends SubjectStore {
  readonly #subjects = new Map<string, Subject>();
  readonly #phones = new Map<string, string>();
  readonly #seen = new Set<string>();

  constructor(
    private readonly hash: KeyedHash,
    /** Whose counters a new credential renews. */
    private readonly attempts: MemoryAttemptStore,
  ) {
    super();
  }

  override find(tenant: string, kind: 'id' | 'phone', ref: string, method: Method): Promise<FoundSubject> {
    const id = kind === 'id' ? ref : this.#phones.get(`${tenant}/${ref}`);
    const subject = id === undefined ? undefined : this.#subjects.get(`${tenant}/${id}`);
    const known = subject !== undefined && id !== undefined;
    return Promise.resolve({
      id: known ? id : undefined,
      guardKey: known ? this.hash.subjectKey(tenant, 'id', id) : this.hash.subjectKey(tenant, kind, ref),
      displayName: subject?.profile.displayName,
      locale: subject?.profile.locale,
      credential: subject?.credentials[method]?.[0],
      mustChange: method === 'pin' && subject?.mustChange === true,
      cap: subject?.caps[method] ?? LOWEST_CAP,
    });
  }

  override change(commandId: string, tenant: string, subject: string, change: Profile): Promise<SubjectChange> {
    if (this.#seen.has(commandId)) return Promise.resolve('updated');
    const keys = (change.phones ?? []).map((phone) => `${tenant}/${this.hash.hash('phone', tenant, phone)}`);
    if (keys.some((key) => (this.#phones.get(key) ?? subject) !== subject)) return Promise.resolve('taken');
    this.#seen.add(commandId);
    if (change.phones) for (const [key, owner] of this.#phones) if (owner === subject) this.#phones.delete(key);
    for (const key of keys) this.#phones.set(key, subject);
    const before = this.#subjects.get(`${tenant}/${subject}`);
    this.#subjects.set(`${tenant}/${subject}`, {
      credentials: before?.credentials ?? {},
      caps: before?.caps ?? {},
      mustChange: before?.mustChange ?? false,
      profile: { ...before?.profile, ...change },
    });
    return Promise.resolve(before ? 'updated' : 'created');
  }

  override enrolled(commandId: string, tenant: string, subject: string, kind: Method): Promise<Enrolled | undefined> {
    const known = this.#subjects.get(`${tenant}/${subject}`);
    const latest = known?.credentials[kind] ?? [];
    return Promise.resolve(
      known && {
        repeated: this.#seen.has(commandId),
        phones: known.profile.phones ?? [],
        version: latest[0]?.version ?? 0,
        disabled: this.#guard(tenant, subject, kind).disabled,
        latest,
      },
    );
  }

  override enrol(
    commandId: string,
    tenant: string,
    subject: string,
    { kind, replaces, again, earlier, mustChange, cap, wrap }: NewCredential,
  ): Promise<'created' | 'updated' | 'not_found' | 'outdated'> {
    const known = this.#subjects.get(`${tenant}/${subject}`);
    if (!known) return Promise.resolve('not_found');
    if (this.#seen.has(commandId)) return Promise.resolve('updated');
    const before = known.credentials[kind] ?? [];
    if ((before[0]?.version ?? 0) !== replaces) return Promise.resolve('outdated');
    this.#seen.add(commandId);
    const row = { kind, tenant, subject, version: replaces + 1 };
    const kept = [...(earlier && before.length > 0 ? [earlier] : []), ...before.slice(1)];
    known.credentials[kind] = [{ ...row, ...wrap(row) }, ...kept].slice(0, PIN_HISTORY);
    known.caps[kind] = cap;
    if (kind === 'pin') known.mustChange = mustChange;
    if (!again) this.attempts.change(tenant, this.hash.subjectKey(tenant, 'id', subject), kind, renew);
    return Promise.resolve(before.length > 0 ? 'updated' : 'created');
  }

  override state(tenant: string, subject: string, windowSeconds: number): Promise<SubjectState | undefined> {
    const known = this.#subjects.get(`${tenant}/${subject}`);
    if (!known) return Promise.resolve(undefined);
    return Promise.resolve({
      subject,
      pinEnrolled: known.credentials.pin !== undefined,
      pinMustChange: known.mustChange,
      knowledgeEnrolled: known.credentials.knowledge !== undefined,
      phones: known.profile.phones?.length ?? 0,
      ...this.#counter(tenant, subject, 'pin', windowSeconds),
      credentials: METHODS.filter((method) => known.credentials[method] !== undefined).map((method) => ({
        method,
        enrolledAt: new Date(0).toISOString(),
        mustChange: method === 'pin' && known.mustChange,
        ...this.#counter(tenant, subject, method, windowSeconds),
      })),
      updatedAt: new Date(0).toISOString(),
    });
  }

  #guard(tenant: string, subject: string, method: Method): Guard {
    return this.attempts.guard(tenant, this.hash.subjectKey(tenant, 'id', subject), method) ?? FRESH;
  }

  #counter(tenant: string, subject: string, method: Method, windowSeconds: number): GuessCounter {
    const { known, strangers, disabled, failures } = this.#guard(tenant, subject, method);
    const now = this.attempts.now();
    const recent = [...known.recent, ...strangers.recent].filter((at) => at > now - windowSeconds * 1000);
    const locks = [known, strangers].flatMap(({ lockedUntil: until = 0 }) => (until > now ? [until] : []));
    return {
      attemptsInWindow: recent.length,
      lockedUntil: locks.length > 0 ? new Date(Math.max(...locks)).toISOString() : undefined,
      consecutiveFailures: shownFailures({ failures, disabled }),
      disabled,
    };
  }

  /** False: there is no such subject. */
  remove(tenant: string, subject: string): boolean {
    for (const [key, owner] of this.#phones) {
      if (owner === subject && key.startsWith(`${tenant}/`)) this.#phones.delete(key);
    }
    return this.#subjects.delete(`${tenant}/${subject}`);
  }
}
