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
   * Whether the limiter has counted the caller and the number that were sealed. Anybody can seal: only holders of a key of
   * IDENTIFIER_KEY can name a number, and an adapter with another key is refused here.
   */
  #isNamed(command: VerificationAdmitted, subject: string | undefined, caller: string | undefined): boolean {
    return [command, ...command.alsoNamed].some(({ keyId, subjectRef, callerKey }) => {
      const hash = this.hash.each.find((one) => one.keyId === keyId)?.hash;
      if (hash === undefined) return false;
      return (
        (subject === undefined || constantTimeEquals(hash.name(subject), subjectRef)) &&
        (caller === undefined || constantTimeEquals(hash.name(caller), callerKey ?? ''))
      );
    });
  }

  /** Undefined: what was sealed does not name what the command says that it names. */
  #stored(command: VerificationAdmitted, identity: unknown): VerificationAdmitted | undefined {
    const { command: id, subject, caller } = (identity ?? {}) as Partial<Record<keyof SealedIdentity, unknown>>;
    const isDigest = (value: unknown): value is string => typeof value === 'string' && DIGEST.test(value);
    const { subjectKind, subjectRef, callerKey } = command;
    if (!isDigest(id) || (subjectKind === 'phone') !== isDigest(subject)) return undefined;
    if ((callerKey !== undefined) !== isDigest(caller)) return undefined;
    if (!this.#isNamed(command, isDigest(subject) ? subject : undefined, isDigest(caller) ? caller : undefined)) {
      return undefined;
    }
    return message(VerificationAdmitted, {
      ...command,
      commandId: this.names.name(id),
      subjectRef: isDigest(subject) ? this.names.name(subject) : subjectRef,
      ...(isDigest(caller) ? { callerKey: this.names.name(caller) } : {}),
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
