import {
  bindingOf,
  VerificationRequested,
  type KnowledgePolicy,
  type VerificationAdmitted,
} from '@countersign/contracts';
import { type KeyedHash } from '@countersign/sealing';
import { ServiceError } from '@countersign/service';
import { type Seals } from './ports.js';

/** What lay under the seal of a command. The submitted secrets may have any form. */
export interface OpenedCommand {
  /** Keyed hash of everything that the command says, the submitted secrets included; computed here, never received. */
  readonly fingerprint: string;
  readonly pin: unknown;
  readonly answers: unknown;
  /** Takes the place of `pin` when that is right; undefined: no change was requested. */
  readonly newPin: unknown;
}

/**
 * Opens the seal of a command before its attempt is counted. Nothing is compared here. The fingerprint must come from what
 * was sealed: a sender that could state it would get the stored answer to somebody else's command.
 */
export class OpenCommand {
  constructor(
    private readonly seals: Seals,
    private readonly hash: KeyedHash,
  ) {}

  /** Undefined when the payload does not open beside the fields of this command. */
  async execute(command: VerificationAdmitted): Promise<OpenedCommand | undefined> {
    const binding = bindingOf(VerificationRequested, command);
    try {
      const { pin, answers, newPin } = await this.seals.open(command.sealed, binding);
      const fingerprint = this.hash.hash('fingerprint', binding, JSON.stringify([pin, sorted(answers), newPin]));
      return { fingerprint, pin, answers, newPin };
    } catch (error) {
      if (error instanceof ServiceError && !error.retriable) return undefined;
      throw error;
    }
  }
}

/** The order in which answers were written does not make another request of them. */
function sorted(answers: unknown): unknown {
  if (typeof answers !== 'object' || answers === null) return answers;
  return Object.entries(answers).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Without a question nothing would be compared, and nothing that is compared with nothing is right. */
export function isAskable(
  { method }: VerificationAdmitted,
  { newPin }: OpenedCommand,
  { questions }: KnowledgePolicy,
): boolean {
  return method === 'pin' || (questions.length > 0 && newPin === undefined);
}
