/** The closed list of faults. Each has an entry in docs/operations.md. */
export const ERROR_CODES = [
  'SETTINGS_INVALID',
  'BROKER_UNAVAILABLE',
  'DATABASE_UNAVAILABLE',
  'REQUEST_TIMED_OUT',
  'REQUEST_GAVE_WAY',
  'MESSAGE_UNREADABLE',
  'POISON',
  'RECORDS_LOST',
  'SEAL_BROKEN',
  'CREDENTIAL_BROKEN',
  'COUNTER_BROKEN',
  'HASH_QUEUE_FULL',
  'INTERNAL',
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];
