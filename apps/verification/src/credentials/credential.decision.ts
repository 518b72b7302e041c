import { type Method } from '@countersign/contracts';

/** All columns of a credential's row that decide something. It is bound to them: if one of them changes, it does not open. */
export interface CredentialRow {
  readonly kind: Method;
  readonly tenant: string;
  readonly subject: string;
  /** From 1; every enrolment takes the next number, also after an erasure. */
  readonly version: number;
  /** Consecutive failures that disable it. */
  readonly cap: number;
  /** The PIN was chosen by somebody else: it does not reach the highest level. */
  readonly mustChange: boolean;
  /** Database time of the enrolment, in whole microseconds since 1970. */
  readonly enrolledAt: string;
}

/** Ciphertext of a credential and the id of the key of the keyring that opens it. */
export interface WrappedCredential {
  readonly keyId: string;
  readonly wrapped: Buffer;
}

/** A credential as it is stored: argon2id PHC strings of a PIN and of those before it, or one for each answered question, wrapped. */
export interface StoredCredential extends CredentialRow, WrappedCredential {}

/** Answers by the name of their question, normalised; '' where there is none. */
export type KnowledgeAnswers = ReadonlyMap<string, string>;
