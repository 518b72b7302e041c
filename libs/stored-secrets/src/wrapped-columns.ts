/** PostgreSQL types of primary key columns. */
export type KeyType = 'text' | 'integer' | 'bigint' | 'uuid' | 'boolean';

/** A column with values that a key of the keyring encrypts, and what each value is bound to. */
export interface WrappedColumn {
  /** The name in the output of commands. */
  readonly name: string;
  readonly table: string;
  /** Columns of the primary key in its order. */
  readonly primaryKey: Readonly<Record<string, KeyType>>;
  readonly keyIdColumn: string;
  readonly bytesColumn: string;
  /** Fields of {@link context}'s row that are not in the primary key: name and SQL expression. */
  readonly alsoBoundTo: Readonly<Record<string, string>>;
  /** The associated data of a row. A value that was moved to another row cannot be decrypted. */
  readonly context: (row: Readonly<Record<string, unknown>>) => string[];
}

/** A time as whole microseconds since 1970 in decimal digits: exact, and independent of session settings. */
export const microseconds = (column: string): string => `(extract(epoch FROM ${column}) * 1000000)::bigint::text`;

/** All columns of a credential that affect a decision. If one was changed, the credential cannot be decrypted. */
export interface BoundCredential {
  readonly kind: string;
  readonly tenant: string;
  readonly subject: string;
  readonly version: number;
  /** Consecutive failures that disable it. */
  readonly cap: number;
  readonly mustChange: boolean;
  /** As {@link microseconds}. */
  readonly enrolledAt: string;
  /** Null or absent: the hash was made here. */
  readonly hashForm?: string | null | undefined;
}

/** What a credential is bound to: swapped, copied or edited rows cannot be decrypted. */
export function credentialContext(row: BoundCredential): string[] {
  const { kind, tenant, subject, version, cap, mustChange, enrolledAt, hashForm } = row;
  const context = [kind, tenant, subject, String(version), String(cap), String(mustChange), enrolledAt];
  return typeof hashForm === 'string' ? [...context, hashForm] : context;
}

/** What a subject's own key is bound to. */
export function subjectKeyContext(tenant: string, subject: string): string[] {
  return ['subject-key', tenant, subject];
}

/** What the profile of a subject is bound to. Verifications end with the incarnation, so it must not be editable. */
export function profileContext(tenant: string, subject: string, incarnation: string, version: number): string[] {
  return ['profile', tenant, subject, incarnation, String(version)];
}

/** What operators see of a recognized caller is bound to the credential and to the keyed hash of the caller. */
export function recognizedCallerContext(tenant: string, subject: string, kind: string, caller: string): string[] {
  return ['recognized-caller', tenant, subject, kind, caller];
}

/** What the names key is bound to. */
export const NAMES_KEY_CONTEXT = ['names-key'];

const text = (value: unknown): string => String(value);

/** All encrypted columns; a test compares the list with the tables. */
export const WRAPPED_COLUMNS: readonly WrappedColumn[] = [
  {
    name: 'credentials',
    table: 'verification.credentials',
    primaryKey: { tenant: 'text', subject_id: 'text', kind: 'text' },
    keyIdColumn: 'key_id',
    bytesColumn: 'wrapped',
    alsoBoundTo: {
      version: 'version',
      cap: 'cap',
      must_change: 'must_change',
      hash_form: 'hash_form',
      enrolled_us: microseconds('enrolled_at'),
    },
    context: (row) =>
      credentialContext({
        kind: text(row['kind']),
        tenant: text(row['tenant']),
        subject: text(row['subject_id']),
        version: Number(row['version']),
        cap: Number(row['cap']),
        mustChange: row['must_change'] === true,
        enrolledAt: text(row['enrolled_us']),
        hashForm: row['hash_form'] as string | null,
      }),
  },
  {
    name: 'subject keys',
    table: 'verification.subject_keys',
    primaryKey: { tenant: 'text', subject_id: 'text' },
    keyIdColumn: 'key_id',
    bytesColumn: 'wrapped',
    alsoBoundTo: {},
    context: (row) => subjectKeyContext(text(row['tenant']), text(row['subject_id'])),
  },
  {
    name: 'names key',
    table: 'verification.names_key',
    primaryKey: { single: 'boolean' },
    keyIdColumn: 'key_id',
    bytesColumn: 'wrapped',
    alsoBoundTo: {},
    context: () => NAMES_KEY_CONTEXT,
  },
];
