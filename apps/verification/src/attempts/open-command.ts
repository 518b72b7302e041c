import { Inject, Injectable } from '@nestjs/common';
import {
  bindingOf,
  message,
  VerificationAdmitted,
  VerificationRequested,
  type SealedIdentity,
} from '@countersign/contracts';
import { constantTimeEquals, type KeyedHash } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { EVENT_NAMES, storedCaller, storedCommandId, storedPhone, TABLE_NAMES } from '../integrity/stored-names.js';
import { SealedPayloads } from './attempts.ports.js';

/** A command with its decrypted payload. The submitted secrets may have any form. */
export interface OpenedCommand {
  /** Keyed hash of everything in the command, the submitted secrets included; computed here, never received. */
  readonly fingerprint: string;
  /** As received. Events use its names, which are the same in events of the limiter. */
  readonly received: VerificationAdmitted;
  /** With the names that the tables have: under the key of the tables, whichever key the adapter used. */
  readonly stored: VerificationAdmitted;
  readonly pin: unknown;
  readonly answers: unknown;
  /** Replaces `pin` if that matches; undefined: no change was requested. */
  readonly newPin: unknown;
  /** Encrypts the receipt for the requester. */
  readonly replyKey: unknown;
  /** Whether the requester accepts a MAC under the reply key in place of a signature. Older adapters do not. */
  readonly acceptsMac: boolean;
}

/**
 * Decrypts the payload of a command, once and before its attempt is counted. Nothing is compared here. The fingerprint is
 * computed from the payload. A sender that could state it would get the stored reply to another sender's command.
 */
@Injectable()
export class CommandOpener {
  constructor(
    private readonly payloads: SealedPayloads,
    @Inject(TABLE_NAMES) private readonly names: KeyedHash,
    @Inject(EVENT_NAMES) private readonly hash: KeyedHash,
  ) {}

  /** Undefined if the payload does not decrypt, or was sealed for other fields than those of this command. */
  async open(received: VerificationAdmitted): Promise<OpenedCommand | undefined> {
    const binding = bindingOf(VerificationRequested, received);
    try {
      const { pin, answers, newPin, replyKey, acceptsMac, identity } = await this.payloads.open(
        received.sealed,
        binding,
      );
      const stored = this.#stored(received, identity);
      if (stored === undefined) return undefined;
      const fields = bindingOf(VerificationRequested, { ...stored, keyId: '', alsoNamed: [] });
      const fingerprint = this.names.hash('fingerprint', fields, JSON.stringify([pin, sorted(answers), newPin]));
      return { fingerprint, received, stored, pin, answers, newPin, replyKey, acceptsMac: acceptsMac === true };
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
      const hash = this.hash.singleKeys.find(({ keyId }) => keyId === names.keyId)?.hash;
      return hash === undefined ? [] : [{ names, hash }];
    });
    const matches = named.map(({ names: { commandId, subjectRef, callerKey }, hash }) => {
      const nameOfCommand = `-${hash.hashDigest(id)}`;
      return (
        constantTimeEquals(nameOfCommand, commandId.slice(-nameOfCommand.length)) &&
        (subject === undefined || constantTimeEquals(hash.hashDigest(subject), subjectRef)) &&
        (caller === undefined || constantTimeEquals(hash.hashDigest(caller), callerKey ?? ''))
      );
    });
    return matches.length > 0 && matches.every(Boolean);
  }

  /** Undefined: the sealed identity is not the one that the fields of the command name. */
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

/** No name in the tables has this form. */
const DIGEST = /^[0-9a-f]{64}$/;

/** Answers in another order are the same request. */
function sorted(answers: unknown): unknown {
  if (typeof answers !== 'object' || answers === null) return answers;
  return Object.entries(answers).sort(([a], [b]) => (a < b ? -1 : 1));
}
