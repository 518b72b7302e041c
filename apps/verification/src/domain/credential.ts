import { type Method } from '@countersign/contracts';

/** The row that a credential lies in, and that it is bound to: moved to another row it does not open. */
export interface CredentialRow {
  /** `pin-history`: a PIN that is in force no more, and is bound to that. */
  readonly kind: Method | 'pin-history';
  readonly tenant: string;
  readonly subject: string;
  /** From 1; every enrolment counts on. */
  readonly version: number;
}

/** Ciphertext of a credential and the id of the key of the keyring that opens it. */
export interface WrappedCredential {
  readonly keyId: string;
  readonly wrapped: Buffer;
}

/** A credential as it is stored: an argon2id PHC string, or one for each answered question, wrapped. */
export interface StoredCredential extends CredentialRow, WrappedCredential {}

/** Answers by the name of their question, normalised; '' where there is none. */
export type Answers = ReadonlyMap<string, string>;
