import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { DecryptionError, Keyring, Secret } from '@countersign/crypto';
import { Batched, type Database } from '@countersign/persistence';
import { ServiceError } from '@countersign/runtime';
import {
  PersonalDataVault,
  type FieldsToSeal,
  type OpenedFields,
  type SealedFields,
  type SubjectAt,
} from './personal-data.ports.js';
import { sealWaitMs } from '../trail/gather.decision.js';
import { keyContext } from './subject-key-column.js';
import { DESTROY_KEYS, FIND_KEYS, FIND_OR_CREATE_KEYS, REMOVE_ALTERED_KEY } from './personal-data.sql.js';

/** Most events, and so most subjects, of one statement. */
const MAX_BATCH_SIZE = 500;
/** A batch of this size does not wait for more. */
const FULL_SIZE = 128;
/** How long an erasure waits for others to share a statement, in milliseconds. */
const ERASE_LINGER_MS = 5;
/** Decrypted keys in memory. Each takes about 1 KB. */
const MAX_CACHED_KEYS = 10_000;
/** A round ends early only when another copy wrote the same subject in between. */
const MAX_ROUNDS = 10;
const KEY_BYTES = 32;
/** 128 random bits: no two keys of a subject have the same id. */
const KEY_ID_BYTES = 16;

interface KeyRow {
  readonly tenant: string;
  readonly subject: string;
  readonly own_id: string | null;
  readonly key_id: string | null;
  readonly wrapped: Buffer | null;
  readonly erased_at: Date | null;
}

/** The key of a subject in memory: a keyring with one key, under its id in sealed fields. */
interface SubjectKey {
  readonly keyring: Keyring | undefined;
  /** Milliseconds since 1970; events up to it are not encrypted. */
  readonly erasedAt: number;
}

/** What sealed fields are bound to: they cannot be moved to another event or tenant. */
const fieldsContext = ({ eventId, tenant }: { readonly eventId: string; readonly tenant: string }): string[] => [
  ...['audit-event', eventId, tenant],
];

/**
 * Keys of subjects in PostgreSQL. Every batch of events reads the present key of each subject from the table, so a copy never
 * uses a key that another copy destroyed. The cache saves only decryption.
 */
@Injectable()
export class PostgresPersonalDataVault extends PersonalDataVault {
  readonly #seal: Batched<FieldsToSeal, string | undefined>;
  readonly #erase: Batched<SubjectAt, void>;
  readonly #cache = new LRUCache<string, Keyring>({ max: MAX_CACHED_KEYS });

  constructor(
    private readonly database: Database,
    /** Of AUDIT_KEYS. */
    private readonly keyring: Keyring,
  ) {
    super();
    const shared = { size: MAX_BATCH_SIZE, fullSize: FULL_SIZE, concurrency: 1, expectsMore: () => true };
    this.#seal = new Batched({
      ...shared,
      lingerMs: ({ time }) => sealWaitMs(time, Date.now()),
      run: (events) => this.#sealAll(events),
    });
    this.#erase = new Batched({
      ...shared,
      lingerMs: () => ERASE_LINGER_MS,
      rows: (subject) => [rowOf(subject)],
      run: (subjects) => this.#eraseAll(subjects),
    });
  }

  override seal(fields: FieldsToSeal): Promise<string | undefined> {
    return this.#seal.call(fields);
  }

  override erase(subject: SubjectAt): Promise<void> {
    return this.#erase.call(subject);
  }

  override async open(sealed: readonly SealedFields[]): Promise<OpenedFields[]> {
    const subjects = [...new Map(sealed.map((one) => [rowOf(one), one])).values()];
    const rows = await this.database
      .forTenants(subjects.map(({ tenant }) => tenant))
      .prepared<KeyRow>('audit.find_keys', FIND_KEYS, [
        subjects.map(({ tenant }) => tenant),
        subjects.map(({ subject }) => subject),
      ]);
    const rowsBySubject = new Map(rows.map((row) => [rowOf(row), row]));
    return sealed.map((one) => this.#openOne(one, rowsBySubject.get(rowOf(one))));
  }

  #openOne(sealed: SealedFields, row: KeyRow | undefined): OpenedFields {
    const [ownId, bytes = ''] = sealed.sealed.split('.');
    // Another key: that of a later subject of the same id.
    if (ownId === undefined || row?.own_id !== ownId) return 'erased';
    try {
      const keyring = this.#keyringOf(row);
      const fields = keyring?.unwrap({ keyId: ownId, bytes: Buffer.from(bytes, 'base64url') }, fieldsContext(sealed));
      return fields === undefined ? 'unreadable' : { fields };
    } catch (error) {
      if (error instanceof DecryptionError) return 'unreadable';
      throw error;
    }
  }

  async #sealAll(events: readonly FieldsToSeal[]): Promise<(string | undefined)[]> {
    const keys = await this.#currentKeys(events);
    return events.map((event) => {
      const key = keys.get(rowOf(event));
      if (key?.keyring === undefined || Date.parse(event.time) <= key.erasedAt) return undefined;
      const { keyId, bytes } = key.keyring.wrap(event.fields, fieldsContext(event));
      return `${keyId}.${bytes.toString('base64url')}`;
    });
  }

  /** Of every subject. Each round is one statement; a second one is needed only when another copy wrote the same row. */
  async #currentKeys(events: readonly FieldsToSeal[]): Promise<Map<string, SubjectKey>> {
    const wanted = new Map<string, SubjectAt>();
    for (const { tenant, subject, time } of events) {
      const row = rowOf({ tenant, subject });
      const known = wanted.get(row);
      if (known === undefined || Date.parse(known.time) < Date.parse(time)) wanted.set(row, { tenant, subject, time });
    }
    const keys = new Map<string, SubjectKey>();
    for (let round = 0; wanted.size > 0; round++) {
      if (round === MAX_ROUNDS)
        throw new ServiceError('DATABASE_UNAVAILABLE', 'keys of subjects are written by too many copies at once', true);
      for (const row of await this.#findOrCreate([...wanted.values()])) {
        const name = rowOf(row);
        const time = Date.parse(wanted.get(name)?.time ?? '');
        const erasedAt = row.erased_at?.getTime() ?? -Infinity;
        const keyring = await this.#usableKeyring(row);
        // Without a key, the next round brings a candidate.
        if (keyring === undefined && erasedAt < time) continue;
        keys.set(name, { keyring, erasedAt });
        wanted.delete(name);
      }
      // A key in the cache has no candidate. When a failover loses its row, no round would create another one.
      for (const name of wanted.keys()) this.#cache.delete(name);
    }
    return keys;
  }

  async #findOrCreate(subjects: readonly SubjectAt[]): Promise<KeyRow[]> {
    const candidates = subjects.map(({ tenant, subject }) => {
      if (this.#cache.has(rowOf({ tenant, subject }))) return undefined;
      const ownId = randomBytes(KEY_ID_BYTES).toString('base64url');
      const key = randomBytes(KEY_BYTES).toString('base64url');
      return { ownId, ...this.keyring.wrap(key, keyContext(tenant, subject, ownId)) };
    });
    return this.database
      .forTenants(subjects.map(({ tenant }) => tenant))
      .prepared<KeyRow>('audit.find_or_create_keys', FIND_OR_CREATE_KEYS, [
        subjects.map(({ tenant }) => tenant),
        subjects.map(({ subject }) => subject),
        subjects.map(({ time }) => time),
        candidates.map((candidate) => candidate?.ownId ?? null),
        candidates.map((candidate) => candidate?.keyId ?? null),
        candidates.map((candidate) => candidate?.bytes ?? null),
      ]);
  }

  /** Undefined for a row without a key. A key that was altered outside the product is removed: events must not stop for it. */
  async #usableKeyring(row: KeyRow): Promise<Keyring | undefined> {
    try {
      return this.#keyringOf(row);
    } catch (error) {
      if (!(error instanceof DecryptionError)) throw error;
      if (!this.keyring.has(row.key_id ?? ''))
        throw new ServiceError('INTERNAL', `AUDIT_KEYS lacks the key ${row.key_id ?? ''}`, true);
      await this.database.forTenants([row.tenant]).query(REMOVE_ALTERED_KEY, [row.tenant, row.subject, row.own_id]);
      return undefined;
    }
  }

  /** Of the key in the row, from the cache if it is the same one. @throws DecryptionError */
  #keyringOf({ tenant, subject, own_id: ownId, key_id: keyId, wrapped }: KeyRow): Keyring | undefined {
    const name = rowOf({ tenant, subject });
    const cached = this.#cache.get(name);
    if (cached !== undefined && cached.first === ownId) return cached;
    this.#cache.delete(name);
    if (ownId === null || keyId === null || wrapped === null) return undefined;
    const key = this.keyring.unwrap({ keyId, bytes: wrapped }, keyContext(tenant, subject, ownId));
    const keyring = new Keyring(new Secret(`${ownId}:${key}`));
    this.#cache.set(name, keyring);
    return keyring;
  }

  async #eraseAll(subjects: readonly SubjectAt[]): Promise<void[]> {
    await this.database
      .forTenants(subjects.map(({ tenant }) => tenant))
      .prepared('audit.destroy_keys', DESTROY_KEYS, [
        subjects.map(({ tenant }) => tenant),
        subjects.map(({ subject }) => subject),
        subjects.map(({ time }) => time),
      ]);
    return subjects.map((subject) => void this.#cache.delete(rowOf(subject)));
  }
}

/** Tenants have no space in their id. */
const rowOf = ({ tenant, subject }: { readonly tenant: string; readonly subject: string }): string =>
  `${tenant} ${subject}`;
