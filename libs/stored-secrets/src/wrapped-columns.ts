/** Types of PostgreSQL that the columns of a primary key may have. */
export type KeyType = 'text' | 'integer' | 'bigint' | 'uuid';

/** A column whose values are wrapped by a key of the keyring, and what its values are bound to. */
export interface WrappedColumn {
  /** For people. */
  readonly name: string;
  readonly table: string;
  /** Columns of the primary key, in its order. */
  readonly primaryKey: Readonly<Record<string, KeyType>>;
  readonly keyIdColumn: string;
  readonly bytesColumn: string;
  /**
   * A boolean column that is false while a row has the context of earlier releases; binding the row anew makes it true. It
   * is itself bound: a row opens under the one context or the other.
   */
  readonly boundColumn?: string;
  /** Columns that the context reads besides those of the primary key. */
  readonly alsoBoundTo: readonly string[];
  /** The associated data of a row: what makes a value that was moved to another row refuse to open. */
  readonly context: (row: Readonly<Record<string, unknown>>) => string[];
}

/**
 * Stands where the kind of a credential stands when it is no longer in force: what is copied from the history into the
 * credentials in force does not open.
 */
export const PIN_HISTORY_KIND = 'pin-history' as const;

/** What a credential is bound to: swapped or copied rows do not open. */
export function credentialContext(row: {
  readonly kind: string;
  readonly tenant: string;
  readonly subject: string;
  readonly version: number;
}): string[] {
  return [row.kind, row.tenant, row.subject, String(row.version)];
}

/** Stands where the id of a key stands when a subject's own key has wrapped the row. A keyring cannot have a key of this id. */
export const OWN_KEY_ID = '@own';

/** What the key of a subject's own is bound to. */
export function subjectKeyContext(tenant: string, subject: string): string[] {
  return ['subject-key', tenant, subject];
}

/** What the profile of a subject is bound to. */
export function profileContext(tenant: string, subject: string, version: number): string[] {
  return ['profile', tenant, subject, String(version)];
}

const text = (value: unknown): string => String(value);

function contextOfCredential(row: Readonly<Record<string, unknown>>, kind = text(row['kind'])): string[] {
  return credentialContext({
    kind,
    tenant: text(row['tenant']),
    subject: text(row['subject_id']),
    version: Number(row['version']),
  });
}

/** Every wrapped column that there is; a test compares the list with the tables. */
export const WRAPPED_COLUMNS: readonly WrappedColumn[] = [
  {
    name: 'credentials',
    table: 'verification.credentials',
    primaryKey: { tenant: 'text', subject_id: 'text', kind: 'text' },
    keyIdColumn: 'key_id',
    bytesColumn: 'wrapped',
    alsoBoundTo: ['version'],
    context: (row) => contextOfCredential(row),
  },
  {
    name: 'profiles',
    table: 'verification.subjects',
    primaryKey: { tenant: 'text', subject_id: 'text' },
    keyIdColumn: 'profile_key_id',
    bytesColumn: 'profile',
    alsoBoundTo: ['version'],
    context: (row) => profileContext(text(row['tenant']), text(row['subject_id']), Number(row['version'])),
  },
  {
    name: 'subject keys',
    table: 'verification.subject_keys',
    primaryKey: { tenant: 'text', subject_id: 'text' },
    keyIdColumn: 'key_id',
    bytesColumn: 'wrapped',
    alsoBoundTo: [],
    context: (row) => subjectKeyContext(text(row['tenant']), text(row['subject_id'])),
  },
  {
    name: 'credential history',
    table: 'verification.credential_history',
    primaryKey: { tenant: 'text', subject_id: 'text', kind: 'text', version: 'integer' },
    keyIdColumn: 'key_id',
    bytesColumn: 'wrapped',
    boundColumn: 'bound',
    alsoBoundTo: ['bound'],
    // Rows of earlier releases are bound to what they were bound to when they were in force.
    context: (row) => contextOfCredential(row, row['bound'] === true ? PIN_HISTORY_KIND : undefined),
  },
];
