/** A subject, and the time of an event that names it. */
export interface SubjectAt {
  readonly tenant: string;
  readonly subject: string;
  /** ISO 8601, on the clock of the service that recorded the event. */
  readonly time: string;
}

/** Personal fields of an event to encrypt. */
export interface FieldsToSeal extends SubjectAt {
  readonly eventId: string;
  readonly fields: string;
}

/** Encrypted personal fields of an event. */
export interface SealedFields {
  readonly eventId: string;
  readonly tenant: string;
  readonly subject: string;
  readonly sealed: string;
}

/** Decrypted fields; `erased`: their key is destroyed; `unreadable`: they, or their key, were altered. */
export type OpenedFields = { readonly fields: string } | 'erased' | 'unreadable';

/** Encrypts personal fields under a key per subject, and destroys the keys. */
export abstract class PersonalDataVault {
  /**
   * Encrypts fields, bound to their event and tenant. Creates the key of a subject that has none.
   * @returns undefined when the subject was erased at that time or later
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  abstract seal(fields: FieldsToSeal): Promise<string | undefined>;

  /**
   * Destroys the key of a subject for good. A later subject of the same id gets another key. Repeating an erasure, also after
   * the later subject has its key, changes nothing.
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  abstract erase(subject: SubjectAt): Promise<void>;

  /**
   * Decrypts fields of up to 1,000 events with one statement.
   * @returns one result for each, in order
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  abstract open(sealed: readonly SealedFields[]): Promise<OpenedFields[]>;
}
