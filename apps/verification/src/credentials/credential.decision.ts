import { type Method } from '@countersign/contracts';

/** The columns of a credential row that decide something. The ciphertext is bound to them: it does not decrypt if one changes. */
export interface CredentialRow {
  readonly kind: Method;
  readonly tenant: string;
  readonly subject: string;
  /** From 1; every enrolment takes the next number, also after an erasure. */
  readonly version: number;
  /** Consecutive failures that disable it. */
  readonly cap: number;
  /** An administrator chose the PIN, so it does not reach the highest level. */
  readonly mustChange: boolean;
  /** Database time of the enrolment, in whole microseconds since 1970. */
  readonly enrolledAt: string;
  /** The form of a hash of another system, see `formOfImport`; absent: the hash was made here. */
  readonly hashForm?: string | undefined;
}

/** Ciphertext of a credential and the id of its key in the keyring. */
export interface WrappedCredential {
  readonly keyId: string;
  readonly wrapped: Buffer;
}

/** A stored credential: encrypted hashes of a PIN and the PINs before it, or one for each answered question. */
export interface StoredCredential extends CredentialRow, WrappedCredential {}

/** The kind of the row of a removed PIN. Nothing is compared with it: it is kept because its PINs may not return. */
export const REMOVED_PIN = 'removed_pin';

/** A removed PIN and the PINs before it, in the form of a {@link StoredCredential}. */
export interface RemovedPin extends Omit<StoredCredential, 'kind'> {
  readonly kind: typeof REMOVED_PIN;
}

/** Normalized answers by the name of their question; '' for a missing one. */
export type KnowledgeAnswers = ReadonlyMap<string, string>;
