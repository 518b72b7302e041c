import {
  type FieldsOf,
  type NamesUnderKey,
  type SealedIdentity,
  type VerificationRequested,
} from '@countersign/contracts';
import { type KeyedHash } from '@countersign/crypto';

/** What a guess is about, before anything of it has a name under a key. */
export interface Identified {
  /** What makes two requests the same one. `prefix`: see {@link nameGuess}. */
  readonly command: { readonly prefix: string; readonly digest: string };
  /** `digest`: `digestOf` of sealing, over a telephone number or whatever else the request says instead of an id. */
  readonly subject: { readonly kind: 'id'; readonly id: string } | { readonly kind: 'phone'; readonly digest: string };
  /** Digest of who calls; undefined: the request has no caller. */
  readonly caller: string | undefined;
}

/** The fields of a guess that hold names. */
export type Names = Pick<
  FieldsOf<VerificationRequested>,
  'commandId' | 'subjectKind' | 'subjectRef' | 'callerKey' | 'keyId' | 'alsoNamed'
>;

/** Keys beside the first whose names travel; see `alsoNamed`. */
const MOST_FURTHER_KEYS = 3;

/** Names what a guess is about under each key, as keyed hashes. Command ids are `prefix-` and the hash. */
export function nameGuess(hash: KeyedHash, { command, subject, caller }: Identified): Names {
  const [first, ...others] = hash.each.map(({ keyId, hash: under }): NamesUnderKey => ({
    keyId,
    commandId: `${command.prefix}-${under.name(command.digest)}`,
    subjectRef: subject.kind === 'id' ? subject.id : under.name(subject.digest),
    ...(caller === undefined ? {} : { callerKey: under.name(caller) }),
  }));
  return { ...(first as NamesUnderKey), subjectKind: subject.kind, alsoNamed: others.slice(0, MOST_FURTHER_KEYS) };
}

/** What is sealed of it, for verification alone. */
export function sealedIdentity({ command, subject, caller }: Identified): SealedIdentity {
  return {
    command: command.digest,
    ...(subject.kind === 'id' ? {} : { subject: subject.digest }),
    ...(caller === undefined ? {} : { caller }),
  };
}
