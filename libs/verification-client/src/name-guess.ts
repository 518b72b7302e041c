import {
  type FieldsOf,
  type NamesUnderKey,
  type SealedIdentity,
  type VerificationRequested,
} from '@countersign/contracts';
import { type KeyedHash } from '@countersign/crypto';

/** The identifiers of an attempt, before they are hashed with a key. */
export interface Identified {
  /** Identifies the request: equal for a repetition. `prefix`: see {@link nameGuess}. */
  readonly command: { readonly prefix: string; readonly digest: string };
  /** `digest`: `digestOf` of `@countersign/crypto`, over a telephone number or other text that takes the place of an id. */
  readonly subject: { readonly kind: 'id'; readonly id: string } | { readonly kind: 'phone'; readonly digest: string };
  /** Digest of the caller; undefined: the request has no caller. */
  readonly caller: string | undefined;
}

/** The fields of an attempt that hold names. */
export type Names = Pick<
  FieldsOf<VerificationRequested>,
  'commandId' | 'subjectKind' | 'subjectRef' | 'callerKey' | 'keyId' | 'alsoNamed'
>;

/** Keys after the first for which names are sent; see `alsoNamed`. */
const MAX_FURTHER_KEYS = 3;

/** Hashes the identifiers of an attempt with each key. Command ids are `prefix-` and the hash. */
export function nameGuess(hash: KeyedHash, { command, subject, caller }: Identified): Names {
  const [first, ...others] = hash.each.map(({ keyId, hash: under }): NamesUnderKey => ({
    keyId,
    commandId: `${command.prefix}-${under.name(command.digest)}`,
    subjectRef: subject.kind === 'id' ? subject.id : under.name(subject.digest),
    ...(caller === undefined ? {} : { callerKey: under.name(caller) }),
  }));
  return { ...(first as NamesUnderKey), subjectKind: subject.kind, alsoNamed: others.slice(0, MAX_FURTHER_KEYS) };
}

/** The part that is encrypted for verification. */
export function sealedIdentity({ command, subject, caller }: Identified): SealedIdentity {
  return {
    command: command.digest,
    ...(subject.kind === 'id' ? {} : { subject: subject.digest }),
    ...(caller === undefined ? {} : { caller }),
  };
}
