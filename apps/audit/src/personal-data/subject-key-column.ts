import { type WrappedColumn } from '@countersign/stored-secrets';

/** What the key of a subject is bound to: a row that was edited or swapped cannot be decrypted. */
export const keyContext = (tenant: string, subject: string, ownId: string): string[] => [
  ...['audit-subject-key', tenant, subject, ownId],
];

/** The encrypted column of this service, for the check of its keyring. */
export const AUDIT_SUBJECT_KEYS: WrappedColumn = {
  name: 'keys of subjects in the audit log',
  table: 'audit.subject_keys',
  primaryKey: { tenant: 'text', subject: 'text' },
  keyIdColumn: 'key_id',
  bytesColumn: 'wrapped',
  alsoBoundTo: { own_id: 'own_id' },
  context: (row) => keyContext(String(row['tenant']), String(row['subject']), String(row['own_id'])),
};
