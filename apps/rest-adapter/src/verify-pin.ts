import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { message, VerificationDecided, VerificationRequested, type AgentPublished } from '@countersign/contracts';
import { createReplyKey, KeyedHash, openReceipt, Sealer, SealBrokenError } from '@countersign/sealing';
import { ServiceError } from '@countersign/service';
import { CommandBus, ReplyTimeout } from './ports.js';

/** How long the answer to an Idempotency-Key is given again: a day. */
const KEY_REPEAT_SECONDS = 86_400;
/** Without a key nobody can repeat a request; the bus can, for less than this. */
const REDELIVERY_REPEAT_SECONDS = 60;

/** A guess at the PIN of a subject, known by id or by telephone number. */
export interface Guess {
  readonly subject: { readonly kind: 'id'; readonly id: string } | { readonly kind: 'phone'; readonly e164: string };
  readonly callId: string | undefined;
  /** 4 to 8 digits. */
  readonly pin: string;
}

/** Asks the rate limiter, and through it the verification service, whether a PIN is right. */
@Injectable()
export class VerifyPin {
  constructor(
    private readonly bus: CommandBus,
    private readonly hash: KeyedHash,
    private readonly sealer: Sealer,
    private readonly timeout: ReplyTimeout,
  ) {}

  /**
   * @param idempotencyKey the same key of the same agent gets the same answer for a day and costs no further attempt
   * @returns the outcome; `unavailable` when no answer came in time, for silence is never a success
   */
  async execute(agent: AgentPublished, guess: Guess, idempotencyKey: string | undefined): Promise<VerificationDecided> {
    const { tenant } = agent;
    const { subject, callId, pin } = guess;
    const commandId = this.#commandId(agent.agent, idempotencyKey);
    const replyKey = createReplyKey();
    const reference = subject.kind === 'id' ? subject.id : this.hash.hash('phone', tenant, subject.e164);
    const request = message(VerificationRequested, {
      commandId,
      // The PIN is a part: another guess under the same key is another request, not a repetition.
      fingerprint: this.hash.hash('fingerprint', tenant, 'pin', subject.kind, reference, callId ?? '', pin),
      repeatSeconds: idempotencyKey === undefined ? REDELIVERY_REPEAT_SECONDS : KEY_REPEAT_SECONDS,
      tenant,
      agent: agent.agent,
      channel: 'rest',
      method: 'pin',
      subjectKind: subject.kind,
      subjectRef: reference,
      ...(callId === undefined ? {} : { callId }),
      callerKey: this.hash.hash('caller', tenant, subject.kind === 'id' ? `subject:${subject.id}` : subject.e164),
      callerTail: subject.kind === 'id' ? '' : subject.e164.slice(-2),
      sealed: await this.sealer.seal({ pin, replyKey }, { commandId, tenant }),
    });
    try {
      const decided = await this.bus.ask(request, VerificationDecided, this.timeout.milliseconds);
      return believed(decided, replyKey);
    } catch (error) {
      if (!(error instanceof ServiceError && (error.retriable || error.code === 'SEAL_BROKEN'))) throw error;
      return message(VerificationDecided, { commandId, outcome: 'unavailable', level: 'none' });
    }
  }

  /** The key is hashed with the agent: two agents that choose the same key do not meet. */
  #commandId(agent: string, idempotencyKey: string | undefined): string {
    return `rest-${idempotencyKey === undefined ? randomUUID() : this.hash.hash('idempotency-key', agent, idempotencyKey)}`;
  }
}

/**
 * A success with its receipt in clear. Without one that was sealed for this request it is none: only the verification
 * service could open the request, so nobody else could have sealed it.
 * @throws ServiceError SEAL_BROKEN
 */
function believed(decided: VerificationDecided, replyKey: string): VerificationDecided {
  if (decided.outcome !== 'verified') return decided;
  const { subjectId: sub, level, verificationId: jti } = decided;
  try {
    const receipt = openReceipt(decided.receipt, replyKey, { sub, level, jti });
    return message(VerificationDecided, { ...decided, receipt });
  } catch (error) {
    if (!(error instanceof SealBrokenError)) throw error;
    throw new ServiceError(
      'SEAL_BROKEN',
      'A success came without the receipt of its request: it is not believed',
      false,
    );
  }
}
