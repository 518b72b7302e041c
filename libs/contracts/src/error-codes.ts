interface ErrorDescription {
  /** What an operator sees. */
  readonly symptom: string;
  /** What an operator does about it. */
  readonly action: string;
}

/** The closed list of faults. docs/operations.md shows it. */
export const ERROR_DESCRIPTIONS = {
  SETTINGS_INVALID: {
    symptom: 'The start ends and names settings and rules',
    action: 'Correct the settings that are named',
  },
  BROKER_UNAVAILABLE: {
    symptom:
      'The service is not ready and callers get `unavailable`. A start waits 60 s, then ends; it ends at once when the brokers refuse it',
    action: 'Check Kafka and `KAFKA_BROKERS`, or the setting in the message. No restart is needed afterwards',
  },
  DATABASE_UNAVAILABLE: {
    symptom: 'The service is not ready. rate-limit answers `unavailable`, the others wait',
    action: 'Check PostgreSQL, and `max_connections` against pool size times copies',
  },
  REQUEST_TIMED_OUT: {
    symptom: '`unavailable`; REST management answers 503',
    action:
      'Find the slow service: consumer lag of its group, `countersign_hash_load`. Compare the clocks of the brokers',
  },
  REQUEST_GAVE_WAY: {
    symptom:
      '`unavailable` or 503 for the tenant with the most requests waiting at one adapter. No attempt was counted',
    action: 'Find the source of the burst; lower the quota of its agent or tenant, or add copies',
  },
  MESSAGE_UNREADABLE: {
    symptom: 'Dead letters',
    action: 'With mixed versions, finish the roll-out. Otherwise find who writes to the topic',
  },
  POISON: {
    symptom: 'A dead letter: the record ended its process three times',
    action: 'Report it with the dead letter and the last lines of the process that ended',
  },
  RECORDS_LOST: {
    symptom:
      'A service ends and does not start again: retention removed records that its group had not handled, or the topic was created again. The line names group, topic, partition and offsets',
    action: 'Find out what was lost, then accept the loss with `countersign groups accept-loss`',
  },
  SEAL_BROKEN: {
    symptom: '`unavailable` for every attempt, without counting it; enrolments fail',
    action: 'Compare `SEALING_PUBLIC_KEYS` with `SEALING_PRIVATE_KEYS`. If they match, commands are altered or forged',
  },
  CREDENTIAL_BROKEN: {
    symptom: '`unavailable` for one subject',
    action: 'A key is missing in `CREDENTIAL_KEYS`, or the row was altered: enrol the subject again',
  },
  COUNTER_BROKEN: {
    symptom: '`unavailable` for one subject: its attempt counter was altered',
    action: 'Run `countersign attempts check`, then `countersign attempts restore`',
  },
  HASH_QUEUE_FULL: {
    symptom: 'Enrolments wait',
    action: 'Send fewer at a time, or add cores or copies',
  },
  EVENT_TOO_LARGE: {
    symptom:
      'A dead letter of the group `audit`: the event of a fact has more than 65,535 bytes, which no entry of the log can have',
    action: 'Report it with the service and the kind of the fact',
  },
  CHECKPOINT_REFUSED: {
    symptom:
      'A dead letter of the group `audit-checkpoints`: a signed checkpoint does not verify, contradicts the log, or has an earlier key although a newer one has signed as much',
    action:
      'Compare `LOG_PUBLIC_KEYS` with the key of the signer. If they match, run `countersign log verify`: the log or the topic was altered',
  },
  CHECKPOINT_AHEAD: {
    symptom: 'The log has fewer entries than a signed checkpoint, and later checkpoints wait',
    action: 'If it lasts, the database of audit was restored from a backup: restore a newer one',
  },
  WITNESS_UNAVAILABLE: {
    symptom: 'Checkpoints lack the signature of a witness; the log line names it. They are published without it',
    action:
      'Check that log-signer reaches the URL in `LOG_WITNESSES`. A witness that has signed more entries: look for a rollback',
  },
  INTERNAL: {
    symptom: 'HTTP 500, or a dead letter after five more attempts',
    action: 'Report the defect with the log line, which contains no input',
  },
} as const satisfies Record<string, ErrorDescription>;

export type ErrorCode = keyof typeof ERROR_DESCRIPTIONS;
export const ERROR_CODES = Object.keys(ERROR_DESCRIPTIONS) as ErrorCode[];
