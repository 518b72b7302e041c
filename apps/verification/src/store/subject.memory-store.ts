import { type KeyedHash } from '@countersign/sealing';
import { LOWEST_CAP } from '../domain/attempts.js';
import {
  SubjectStore,
  type FoundSubject,
  type Profile,
  type StoredCredential,
  type SubjectChange,
  type SubjectState,
} from '../ports.js';

interface Subject {
  profile: Profile;
  credential?: StoredCredential;
  cap?: number;
}

/** The twin of the PostgreSQL store for tests of use cases. */
export class MemorySubjectStore extends SubjectStore {
  readonly #subjects = new Map<string, Subject>();
  readonly #phones = new Map<string, string>();
  readonly #seen = new Set<string>();

  constructor(private readonly hash: KeyedHash) {
    super();
  }

  override find(tenant: string, kind: 'id' | 'phone', ref: string): Promise<FoundSubject> {
    const id = kind === 'id' ? ref : this.#phones.get(`${tenant}/${ref}`);
    const subject = id === undefined ? undefined : this.#subjects.get(`${tenant}/${id}`);
    const known = subject !== undefined && id !== undefined;
    return Promise.resolve({
      id: known ? id : undefined,
      guardKey: known ? this.hash.hash('guard', tenant, 'id', id) : this.hash.hash('guard', tenant, kind, ref),
      displayName: subject?.profile.displayName,
      locale: subject?.profile.locale,
      credential: subject?.credential,
      cap: subject?.cap ?? LOWEST_CAP,
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
    this.#subjects.set(`${tenant}/${subject}`, { ...before, profile: { ...before?.profile, ...change } });
    return Promise.resolve(before ? 'updated' : 'created');
  }

  override enrol(
    commandId: string,
    tenant: string,
    subject: string,
    cap: number,
    wrap: (version: number) => { keyId: string; wrapped: Buffer },
  ): Promise<'created' | 'updated' | 'not_found'> {
    const known = this.#subjects.get(`${tenant}/${subject}`);
    if (!known) return Promise.resolve('not_found');
    if (this.#seen.has(commandId)) return Promise.resolve('updated');
    this.#seen.add(commandId);
    const version = (known.credential?.version ?? 0) + 1;
    const before = known.credential;
    known.credential = { tenant, subject, version, ...wrap(version) };
    known.cap = cap;
    return Promise.resolve(before ? 'updated' : 'created');
  }

  override state(tenant: string, subject: string): Promise<SubjectState | undefined> {
    const known = this.#subjects.get(`${tenant}/${subject}`);
    if (!known) return Promise.resolve(undefined);
    return Promise.resolve({
      subject,
      pinEnrolled: known.credential !== undefined,
      phones: known.profile.phones?.length ?? 0,
      attemptsInWindow: 0,
      lockedUntil: undefined,
      consecutiveFailures: 0,
      disabled: false,
      updatedAt: new Date(0).toISOString(),
    });
  }

  /** False: there is no such subject. */
  remove(tenant: string, subject: string): boolean {
    for (const [key, owner] of this.#phones) {
      if (owner === subject && key.startsWith(`${tenant}/`)) this.#phones.delete(key);
    }
    return this.#subjects.delete(`${tenant}/${subject}`);
  }
}
