import {
  arePreconditionsMet,
  METHODS,
  taggedPartOfSubject,
  type Method,
  type Preconditions,
} from '@countersign/contracts';
import { type KeyedHash, type Keyring } from '@countersign/crypto';
import { maskedPhone } from '@countersign/normalization';
import { type Database, type Sql } from '@countersign/persistence';
import { ServiceError } from '@countersign/runtime';
import { counterKeyOf } from '../attempts/gate/attempt-counter.decision.js';
import { storedPhoneOf } from '../integrity/stored-names.js';
import { SubjectBindings } from '../integrity/subject-bindings.store.js';
import { type ReportTampering } from '../integrity/tamper-reports.store.js';
import { CallerVault, type StoredCaller } from './caller-vault.store.js';
import { type Profile } from './profiles/profile.decision.js';
import { ProfileVault, type StoredProfile } from './profiles/profile-vault.store.js';
import {
  matchesFilter,
  shownFailures,
  type CounterState,
  type CredentialState,
  type SubjectState,
} from './subject-state.decision.js';
import { JOIN_SUBJECT_KEY, PROFILE_COLUMNS } from './subject.sql.js';
import { type SubjectList, type SubjectQuery } from './subjects.ports.js';

/** A subject with one method; null where nothing is enrolled, or there was no attempt. */
interface StateRow extends StoredProfile {
  method: Method;
  enrolled_at: Date | null;
  must_change: boolean | null;
  attempts_in_window: number;
  failures: number | null;
  disabled: boolean | null;
  locked_until: Date | null;
  /** Null without a counter. */
  recognized_callers: readonly string[] | null;
  /** Of the recognized callers, in their order. */
  sealed_callers: readonly (string | null)[];
  created_at: Date;
  updated_at: Date;
}

/** Subjects that a page examines to find those without a credential. */
const MAX_EXAMINED = 5_000;
/** Reads of a page. Further ones are needed only if subjects change in the meantime. */
const MAX_READS = 5;

/**
 * One row for each method of each subject, in the given order; none for a subject that does not exist. Reads neither ciphertext
 * of credentials nor caps, because a cap reveals the length of a PIN.
 * $1 tenant, $2 subjects, $3 methods, $4 their counter keys, $5 seconds of the window
 */
const STATE = `
SELECT
  requested.method,
  credential.enrolled_at,
  credential.must_change,
  counter.failures,
  counter.disabled,
  s.created_at,
  s.updated_at,${PROFILE_COLUMNS},
  (
    SELECT count(*)::int
    FROM (
      SELECT unnest(counter.recognized_attempts) AS at, counter.locked_until
      UNION ALL
      SELECT unnest(counter.unrecognized_attempts), counter.unrecognized_locked_until
    ) attempt
    WHERE attempt.at > clock_timestamp() - make_interval(secs => $5)
      AND NOT COALESCE(attempt.locked_until <= clock_timestamp(), false)
  ) AS attempts_in_window,
  (
    SELECT max(locked_until)
    FROM unnest(ARRAY[counter.locked_until, counter.unrecognized_locked_until]) AS locked_until
    WHERE locked_until > clock_timestamp()
  ) AS locked_until,
  counter.recognized_callers,
  ARRAY(
    SELECT encode(recognized.sealed, 'hex')
    FROM unnest(counter.recognized_callers) WITH ORDINALITY AS one(caller, place)
    LEFT JOIN verification.recognized_callers recognized
      ON recognized.tenant = $1
      AND recognized.subject_id = requested.subject_id
      AND recognized.kind = requested.method
      AND recognized.caller = one.caller
    ORDER BY one.place
  ) AS sealed_callers
FROM unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS requested(subject_id, method, counter_key, place)
JOIN verification.subjects s ON s.tenant = $1 AND s.subject_id = requested.subject_id
${JOIN_SUBJECT_KEY}
LEFT JOIN verification.credentials credential
  ON credential.tenant = $1 AND credential.subject_id = requested.subject_id AND credential.kind = requested.method
LEFT JOIN verification.attempt_counters counter
  ON counter.tenant = $1 AND counter.counter_key = requested.counter_key
ORDER BY requested.place`;

/** $1 tenant, $2 id before the first one, $3 rows */
const FIND_IN_ORDER = `
SELECT subject_id
FROM verification.subjects
WHERE tenant = $1 AND subject_id COLLATE "C" > $2
ORDER BY subject_id COLLATE "C"
LIMIT $3`;

/**
 * Subjects with a credential whose counter meets the condition, in order. A counter whose reference has no subject is a decoy. The
 * count makes the planner look up each credential, instead of reading all of them. $1 tenant, $2 id before the first one, $3 rows
 */
const findByCounter = (condition: string): string => `
SELECT DISTINCT counter.subject_id COLLATE "C" AS subject_id
FROM verification.attempt_counters counter,
LATERAL (
  SELECT count(*) AS credentials
  FROM verification.credentials credential
  WHERE credential.tenant = counter.tenant
    AND credential.subject_id = counter.subject_id
    AND credential.kind = CASE WHEN position(':' IN counter.counter_key) = 0 THEN 'pin' ELSE 'knowledge' END
) enrolled
WHERE counter.tenant = $1
  AND counter.subject_id COLLATE "C" > $2
  AND ${condition}
  AND enrolled.credentials > 0
ORDER BY counter.subject_id COLLATE "C"
LIMIT $3`;

/** The time is read once, because an index cannot be searched for a time that differs from row to row. */
export const FIND_LOCKED = findByCounter(
  'GREATEST(counter.locked_until, counter.unrecognized_locked_until) > (SELECT clock_timestamp())',
);

export const FIND_DISABLED = findByCounter('counter.disabled');

/**
 * Subjects without a credential among the next $4 subjects, in order, and the last of those. The count is as in {@link findByCounter}.
 * $1 tenant, $2 id before the first one, $3 rows
 */
export const FIND_WITHOUT_CREDENTIAL = `
WITH examined AS MATERIALIZED (
  SELECT subject_id
  FROM verification.subjects
  WHERE tenant = $1 AND subject_id COLLATE "C" > $2
  ORDER BY subject_id COLLATE "C"
  LIMIT $4
)
SELECT
  ARRAY(
    SELECT subject_id
    FROM examined,
    LATERAL (
      SELECT count(*) AS credentials
      FROM verification.credentials credential
      WHERE credential.tenant = $1
        AND credential.subject_id = examined.subject_id
        AND credential.kind IN ('pin', 'knowledge')
    ) enrolled
    WHERE enrolled.credentials = 0
    ORDER BY subject_id COLLATE "C"
    LIMIT $3
  ) AS ids,
  (SELECT count(*)::int FROM examined) AS examined,
  (SELECT max(subject_id COLLATE "C") FROM examined) AS last`;

/** $1 tenant, $2 phone key */
const FIND_BY_PHONE = `
SELECT${PROFILE_COLUMNS},
  phone.tag
FROM verification.subject_phones phone
JOIN verification.subjects s ON s.tenant = phone.tenant AND s.subject_id = phone.subject_id
${JOIN_SUBJECT_KEY}
WHERE phone.tenant = $1 AND phone.phone_key = $2`;

const FIND = { all: FIND_IN_ORDER, locked: FIND_LOCKED, disabled: FIND_DISABLED };

interface Candidates {
  readonly ids: readonly string[];
  readonly next: string | undefined;
}

interface Examined {
  readonly ids: readonly string[];
  readonly examined: number;
  readonly last: string | null;
}

/** Thrown inside the transaction of a change. */
export class PreconditionFailed extends Error {}

/** Reads the state of subjects from PostgreSQL. */
export class SubjectStates {
  readonly #bindings: SubjectBindings;
  readonly #profiles: ProfileVault;
  readonly #callers: CallerVault;

  constructor(
    private readonly database: Database,
    keyring: Keyring,
    /** Under the names key. */
    private readonly names: KeyedHash,
    report?: ReportTampering,
  ) {
    this.#bindings = new SubjectBindings(keyring, names, report);
    this.#profiles = new ProfileVault(keyring);
    this.#callers = new CallerVault(keyring);
  }

  /**
   * @param windowSeconds older attempts are not shown, because no window includes them
   * @returns undefined if the subject does not exist
   */
  async one(
    tenant: string,
    subject: string,
    windowSeconds: number,
    sql: Sql = this.database.forTenants([tenant]),
  ): Promise<SubjectState | undefined> {
    const [state] = await this.#read(sql, tenant, [subject], windowSeconds);
    return state && this.#withProfile(tenant, state);
  }

  /**
   * Compares what entity tags are about.
   * @param tx a transaction that has locked the subject
   * @throws PreconditionFailed, which rolls back: a redelivered command compares again
   */
  async require(tx: Sql, tenant: string, subject: string, preconditions: Preconditions | undefined): Promise<void> {
    if (preconditions === undefined) return;
    // Tags have no counters, so the length of the window does not matter.
    const state = await this.one(tenant, subject, 0, tx);
    if (!arePreconditionsMet(preconditions, state && taggedPartOfSubject(state))) throw new PreconditionFailed();
  }

  /** One page of {@link SubjectStore.list}. */
  async page(tenant: string, query: SubjectQuery): Promise<SubjectList> {
    const { limit, credential, windowSeconds } = query;
    const database = this.database.forTenants([tenant]);
    const items: SubjectState[] = [];
    let after = query.after ?? '';
    for (let read = 1; ; read++) {
      const { ids, next } = await this.#candidates(database, tenant, { ...query, after });
      for (const state of await this.#read(database, tenant, ids, windowSeconds)) {
        if (items.length === limit) return { items, next: items.at(-1)?.subject };
        // The state decides: a lock may have ended since, and a counter is not trusted to name its subject.
        if (matchesFilter(state.credentials, credential)) items.push(await this.#withProfile(tenant, state));
      }
      if (next === undefined || read === MAX_READS || credential === 'none') return { items, next };
      after = next;
    }
  }

  /** Ids for a page, in order, one more than it has, and after which id others may follow. */
  async #candidates(
    database: Sql,
    tenant: string,
    { after, limit, phone, credential }: SubjectQuery & { readonly after: string },
  ): Promise<Candidates> {
    if (phone !== undefined) {
      const owner = await this.#ownerOf(database, tenant, phone);
      return { ids: owner !== undefined && owner > after ? [owner] : [], next: undefined };
    }
    const most = limit + 1;
    if (credential === 'none') {
      const params = [tenant, after, most, MAX_EXAMINED];
      const [{ ids, examined, last }] = (await database.query<Examined>(FIND_WITHOUT_CREDENTIAL, params)) as [Examined];
      // A full page ends at its last id, and not where the statement stopped: a subject on it may get a credential before its
      // state is read, and what follows the page must not be skipped then.
      if (ids.length === most) return { ids, next: ids.at(-1) };
      return { ids, next: examined < MAX_EXAMINED ? undefined : (last ?? undefined) };
    }
    const rows = await database.query<{ subject_id: string }>(FIND[credential ?? 'all'], [tenant, after, most]);
    const ids = rows.map((row) => row.subject_id);
    return { ids, next: ids.length < most ? undefined : ids.at(-1) };
  }

  async #ownerOf(database: Sql, tenant: string, phone: string): Promise<string | undefined> {
    const key = storedPhoneOf(this.names, tenant, phone);
    const [row] = await database.query<StoredProfile & { tag: string }>(FIND_BY_PHONE, [tenant, key]);
    if (!row) return undefined;
    const isBound = this.#bindings.requirePhone(tenant, key, row, row.tag).then(() => true, ifBroken(false));
    return (await isBound) ? row.subject_id : undefined;
  }

  /** The states with the profiles still encrypted. A subject that was erased in the meantime is left out. */
  async #read(sql: Sql, tenant: string, subjects: readonly string[], windowSeconds: number): Promise<ReadState[]> {
    const requested = subjects.flatMap((subject) => {
      const referenceKey = this.names.subjectKey(tenant, 'id', subject);
      return METHODS.map((method) => ({ subject, method, counterKey: counterKeyOf(referenceKey, method) }));
    });
    if (requested.length === 0) return [];
    const rows = await sql.query<StateRow>(STATE, [
      tenant,
      requested.map(({ subject }) => subject),
      requested.map(({ method }) => method),
      requested.map(({ counterKey }) => counterKey),
      windowSeconds,
    ]);
    const bySubject = new Map<string, StateRow[]>();
    for (const row of rows) bySubject.set(row.subject_id, [...(bySubject.get(row.subject_id) ?? []), row]);
    return [...bySubject.values()].flatMap(stateOf);
  }

  /** A profile that does not decrypt is left out and reported, because one altered row must not hide a page. */
  async #withProfile(tenant: string, { profile: row, credentials, ...state }: ReadState): Promise<SubjectState> {
    const opened = this.#bindings.opened(tenant, row, () => this.#profiles.open(tenant, row));
    const { displayName, locale, phones = [] }: Profile = (await opened.catch(ifBroken(undefined))) ?? {};
    const { subject, ...others } = state;
    return {
      ...{ subject, displayName, locale, phones: phones.map(maskedPhone) },
      ...others,
      credentials: credentials.map(({ callers, ...credential }) => ({
        ...credential,
        recognizedCallers: this.#callers.open(tenant, row, credential.method, callers),
      })),
    };
  }
}

type ReadCredential = Omit<CredentialState, 'recognizedCallers'> & { readonly callers: readonly StoredCaller[] };

/** A state of which nothing is decrypted yet. */
type ReadState = Omit<SubjectState, 'displayName' | 'locale' | 'phones' | 'credentials'> & {
  readonly profile: StoredProfile;
  readonly credentials: readonly ReadCredential[];
};

/** @param rows of one subject, one for each method */
function stateOf(rows: readonly StateRow[]): ReadState[] {
  const pin = rows.find(({ method }) => method === 'pin');
  if (!pin) return [];
  const credentials = rows.flatMap((row) => credentialOf(row) ?? []);
  return [
    {
      subject: pin.subject_id,
      pinEnrolled: pin.enrolled_at !== null,
      pinMustChange: pin.must_change ?? false,
      knowledgeEnrolled: credentials.some(({ method }) => method === 'knowledge'),
      ...counterOf(pin),
      credentials,
      createdAt: pin.created_at.toISOString(),
      updatedAt: pin.updated_at.toISOString(),
      profile: pin,
    },
  ];
}

function credentialOf(row: StateRow): ReadCredential | undefined {
  if (row.enrolled_at === null) return undefined;
  const { method, enrolled_at, must_change } = row;
  const callers = (row.recognized_callers ?? []).map((caller, at) => ({
    caller,
    sealed: row.sealed_callers[at] ?? null,
  }));
  return {
    ...{ method, enrolledAt: enrolled_at.toISOString(), mustChange: must_change ?? false },
    ...counterOf(row),
    callers: callers.reverse(),
  };
}

function counterOf(row: StateRow): CounterState {
  const disabled = row.disabled ?? false;
  return {
    attemptsInWindow: row.attempts_in_window,
    lockedUntil: row.locked_until?.toISOString(),
    consecutiveFailures: shownFailures({ failures: row.failures ?? 0, disabled }),
    disabled,
  };
}

function ifBroken<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof ServiceError && error.code === 'CREDENTIAL_BROKEN') return value;
    throw error;
  };
}
