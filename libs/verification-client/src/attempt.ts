import { randomUUID } from 'node:crypto';
import {
  type AgentPublished,
  type FieldsOf,
  type NamesUnderKey,
  type SealedIdentity,
  type VerificationRequested,
} from '@countersign/contracts';
import { digestOf, type KeyedHash } from '@countersign/crypto';

/** The secret that a caller submitted. */
export type SubmittedSecret =
  | {
      readonly method: 'pin';
      /** 4 to 8 digits. */
      readonly pin: string;
      /** Replaces `pin`, if that is right. */
      readonly newPin?: string;
    }
  | {
      readonly method: 'knowledge';
      /** By the name of the question. */
      readonly answers: Readonly<Record<string, string>>;
    };

/** An attempt as an adapter received it, before its names are hashed and its secret is encrypted. */
export interface ReceivedAttempt extends Omit<
  FieldsOf<VerificationRequested>,
  'sealed' | 'method' | 'tenant' | 'agent' | keyof AttemptNames
> {
  readonly command: {
    /** Begins the command id, so ids of different origins cannot be equal. */
    readonly prefix: string;
    /** Equal for a repetition of the request. Undefined: the request cannot be repeated. */
    readonly digest: string | undefined;
  };
  /** `digest`: `digestOf` of `@countersign/crypto`, over a telephone number or other text that takes the place of an id. */
  readonly subject: { readonly kind: 'id'; readonly id: string } | { readonly kind: 'phone'; readonly digest: string };
  /** Digest of the caller; undefined: the request has no caller. */
  readonly caller: string | undefined;
  readonly secret: SubmittedSecret;
}

/** The fields of an attempt that hold names. */
export type AttemptNames = Pick<
  FieldsOf<VerificationRequested>,
  'commandId' | 'subjectKind' | 'subjectRef' | 'callerKey' | 'keyId' | 'alsoNamed'
>;

/** The names of an attempt: hashed with each key for the services, and as digests for verification alone. */
export function namesOf(
  hash: KeyedHash,
  { command, subject, caller }: Pick<ReceivedAttempt, 'command' | 'subject' | 'caller'>,
): { readonly names: AttemptNames; readonly identity: SealedIdentity } {
  const digest = command.digest ?? digestOf('request', randomUUID());
  const [first, ...others] = hash.singleKeys.map(({ keyId, hash: under }): NamesUnderKey => ({
    keyId,
    commandId: `${command.prefix}-${under.hashDigest(digest)}`,
    subjectRef: subject.kind === 'id' ? subject.id : under.hashDigest(subject.digest),
    ...(caller === undefined ? {} : { callerKey: under.hashDigest(caller) }),
  }));
  return {
    names: { ...(first as NamesUnderKey), subjectKind: subject.kind, alsoNamed: others },
    identity: {
      command: digest,
      ...(subject.kind === 'id' ? {} : { subject: subject.digest }),
      ...(caller === undefined ? {} : { caller }),
    },
  };
}

/**
 * Distinguishes attempts with the same command id, by the agent and everything that it chooses. The same answers in another
 * order are the same attempt. Keyed, because it is kept while the attempt is in flight.
 */
export function fingerprintOf(
  hash: KeyedHash,
  { tenant, agent }: Pick<AgentPublished, 'tenant' | 'agent'>,
  { subject, caller, callId, secret }: ReceivedAttempt,
): string {
  const parts =
    secret.method === 'pin'
      ? [secret.pin, secret.newPin ?? '']
      : Object.entries(secret.answers).sort(([a], [b]) => (a < b ? -1 : 1));
  return hash.hash(
    'content',
    JSON.stringify([tenant, agent, subject, caller ?? '', callId ?? '', secret.method, parts]),
  );
}
