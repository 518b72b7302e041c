import {
  bindingOf,
  message,
  VerificationAdmitted,
  VerificationRequested,
  type KnowledgePolicy,
  type SealedIdentity,
} from '@countersign/contracts';
import { constantTimeEquals, type KeyedHash } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { storedCaller, storedCommandId, storedPhone } from '../integrity/stored-names.js';
import { type SealedPayloads } from '../verification.ports.js';

/** The decrypted payload of a command. The submitted secrets may have any form. */
export interface OpenedCommand {
  /** Keyed hash of everything that the command says, the submitted secrets included; computed here, never received. */
  readonly fingerprint: string;
  /** The command with the names that the tables know: under the key of the tables, whichever key the adapter used. */
  readonly stored: VerificationAdmitted;
  readonly pin: unknown;
  readonly answers: unknown;
  /** Takes the place of `pin` when that is right; undefined: no change was requested. */
  readonly newPin: unknown;
}

/**
 * Opens the seal of a command before its attempt is counted. Nothing is compared here. The fingerprint must come from what
 * was sealed: a sender that could state it would get the stored answer to somebody else's command.
 */
export class CommandOpener {
  /**
   * @param names under the key of the tables, which no other service holds
   * @param hash of IDENTIFIER_KEY
   */
  constructor(
    private readonly seals: SealedPayloads,
    private readonly names: KeyedHash,
    private readonly hash: KeyedHash,
  ) {}

  /** Undefined when the payload does not open beside the fields of this command. */
  async open(command: VerificationAdmitted): Promise<OpenedCommand | undefined> {
    const binding = bindingOf(VerificationRequested, command);
    try {
      const { pin, answers, newPin, identity } = await this.seals.open(command.sealed, binding);
      const stored = this.#stored(command, identity);
      if (stored === undefined) return undefined;
      const said = bindingOf(VerificationRequested, { ...stored, keyId: '', alsoNamed: [] });
      const fingerprint = this.names.hash('fingerprint', said, JSON.stringify([pin, sorted(answers), newPin]));
      return { fingerprint, stored, pin, answers, newPin };
    } catch (error) {
      if (error instanceof ServiceError && !error.retriable) return undefined;
      throw error;
    }
  }

  /**
   * Whether the limiter has counted the command, the caller and the number of the sealed identity. Anyone can encrypt for this
   * service, but only holders of IDENTIFIER_KEY can name an identity. The names under every key that this service has must
   * match: otherwise one command id could carry many commands, and the limiter would count all but the first as repetitions.
   */
  #isNamed(
    command: VerificationAdmitted,
    id: string,
    subject: string | undefined,
    caller: string | undefined,
  ): boolean {
    const named = [command, ...command.alsoNamed].flatMap((names) => {
      const hash = this.hash.each.find(({ keyId }) => keyId === names.keyId)?.hash;
      return hash === undefined ? [] : [{ names, hash }];
    });
    const matches = named.map(({ names: { commandId, subjectRef, callerKey }, hash }) => {
      const nameOfCommand = `-${hash.name(id)}`;
      return (
        constantTimeEquals(nameOfCommand, commandId.slice(-nameOfCommand.length)) &&
        (subject === undefined || constantTimeEquals(hash.name(subject), subjectRef)) &&
        (caller === undefined || constantTimeEquals(hash.name(caller), callerKey ?? ''))
      );
    });
    return matches.length > 0 && matches.every(Boolean);
  }

  /** Undefined: what was sealed does not name what the command says that it names. */
  #stored(command: VerificationAdmitted, identity: unknown): VerificationAdmitted | undefined {
    const { command: id, subject, caller } = (identity ?? {}) as Partial<Record<keyof SealedIdentity, unknown>>;
    const isDigest = (value: unknown): value is string => typeof value === 'string' && DIGEST.test(value);
    const { subjectKind, subjectRef, callerKey } = command;
    if (!isDigest(id) || (subjectKind === 'phone') !== isDigest(subject)) return undefined;
    if ((callerKey !== undefined) !== isDigest(caller)) return undefined;
    if (!this.#isNamed(command, id, isDigest(subject) ? subject : undefined, isDigest(caller) ? caller : undefined)) {
      return undefined;
    }
    return message(VerificationAdmitted, {
      ...command,
      commandId: storedCommandId(this.names, id),
      subjectRef: isDigest(subject) ? storedPhone(this.names, subject) : subjectRef,
      ...(isDigest(caller) ? { callerKey: storedCaller(this.names, caller) } : {}),
    });
  }
}

/** A digest, and nothing that the names of the tables could be mistaken for. */
const DIGEST = /^[0-9a-f]{64}$/;

/** Answers in another order are the same request. */
function sorted(answers: unknown): unknown {
  if (typeof answers !== 'object' || answers === null) return answers;
  return Object.entries(answers).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Whether there is something to compare. Without a question, no answers could ever match. */
export function isComparable(
  { method }: VerificationAdmitted,
  { newPin }: OpenedCommand,
  { questions }: KnowledgePolicy,
): boolean {
  return method === 'pin' || (questions.length > 0 && newPin === undefined);
}
