import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { message, VerificationDecided, type AgentPublished } from '@countersign/contracts';
import { callerDigest, digestOf, KeyedHash, phoneDigest } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { VerificationClient, type Identified } from '@countersign/verification-client';

/** How long the answer to an Idempotency-Key is given again: a day. */
const KEY_REPEAT_SECONDS = 86_400;
/** Without a key nobody can repeat a request; the bus can, for less than this. */
const REDELIVERY_REPEAT_SECONDS = 60;

/** What a caller claims to know. */
export type Guessed =
  | {
      readonly method: 'pin';
      /** 4 to 8 digits. */
      readonly pin: string;
      /** Takes the place of `pin`, if that is right. */
      readonly newPin?: string;
    }
  | {
      readonly method: 'knowledge';
      /** By the name of the question. */
      readonly answers: Readonly<Record<string, string>>;
    };

/** A guess at what a subject knows, the subject named by id or by telephone number. */
export interface SubmittedSecret {
  readonly subject: { readonly kind: 'id'; readonly id: string } | { readonly kind: 'phone'; readonly e164: string };
  readonly callId: string | undefined;
  /** In E.164: who calls, as the client says. Undefined: the request has no caller. */
  readonly callerPhone?: string | undefined;
  readonly guessed: Guessed;
}

/** Asks the rate limiter, and through it the verification service, whether a guess is right. */
@Injectable()
export class RequestVerification {
  /** Contents of the commands whose answer this process awaits; only an Idempotency-Key makes one twice. */
  readonly #underWay = new Map<string, string>();

  constructor(
    private readonly client: VerificationClient,
    private readonly hash: KeyedHash,
  ) {}

  /**
   * @param idempotencyKey the same key of the same agent gets the same answer for a day and costs no further attempt.
   * While its first request is under way in this process, the second is told so (draft-ietf-httpapi-idempotency-key-header,
   * section 2.6); one that another copy has begun waits for that one's answer, which is the same for both.
   * @returns the outcome; `unavailable` when no answer came in time, for silence is never a success
   */
  async execute(
    agent: AgentPublished,
    guess: SubmittedSecret,
    idempotencyKey: string | undefined,
  ): Promise<VerificationDecided> {
    const { tenant } = agent;
    const { subject, callId, callerPhone, guessed } = guess;
    const { method } = guessed;
    // The key is a part with the agent: two agents that choose the same key do not meet.
    const digest =
      idempotencyKey === undefined
        ? digestOf('request', randomUUID())
        : digestOf('idempotency-key', agent.agent, idempotencyKey);
    const identified: Identified = {
      command: { prefix: 'rest', digest },
      subject: subject.kind === 'id' ? subject : { kind: 'phone' as const, digest: phoneDigest(tenant, subject.e164) },
      caller: callerPhone === undefined ? undefined : callerDigest(tenant, 'phone', callerPhone),
    };
    const commandId = `rest-${this.hash.name(digest)}`;
    const reference = subject.kind === 'id' ? subject.id : subject.e164;
    // What was guessed is a part: another guess under the same key is another request, not a repetition.
    const parts = [method, subject.kind, reference, callId ?? '', callerPhone ?? '', ...partsOf(guessed)];
    const content = this.hash.hash('content', tenant, ...parts);
    const underWay = this.#underWay.get(commandId);
    if (underWay !== undefined) {
      const conflict = underWay === content ? 'in_flight' : 'mismatch';
      return message(VerificationDecided, { commandId, outcome: 'unavailable', level: 'none', conflict });
    }
    const described = {
      repeatSeconds: idempotencyKey === undefined ? REDELIVERY_REPEAT_SECONDS : KEY_REPEAT_SECONDS,
      tenant,
      agent: agent.agent,
      channel: 'rest' as const,
      method,
      ...(callId === undefined ? {} : { callId }),
      callerTail: callerPhone?.slice(-2) ?? '',
      subjectIsCaller: subject.kind === 'phone' && subject.e164 === callerPhone,
    };
    this.#underWay.set(commandId, content);
    try {
      return await this.client.decide(agent, identified, described, submittedOf(guessed));
    } catch (error) {
      if (!(error instanceof ServiceError && (error.retriable || error.code === 'SEAL_BROKEN'))) throw error;
      return message(VerificationDecided, { commandId, outcome: 'unavailable', level: 'none' });
    } finally {
      this.#underWay.delete(commandId);
    }
  }
}

/** What is sealed. JSON leaves out what is undefined. */
function submittedOf(guessed: Guessed): Record<string, unknown> {
  switch (guessed.method) {
    case 'pin':
      return { pin: guessed.pin, newPin: guessed.newPin };
    case 'knowledge':
      return { answers: guessed.answers };
  }
}

/** The order in which answers were written does not make another request of them. */
function partsOf(guessed: Guessed): string[] {
  switch (guessed.method) {
    case 'pin':
      return [guessed.pin, ...(guessed.newPin === undefined ? [] : [guessed.newPin])];
    case 'knowledge':
      return Object.entries(guessed.answers)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .flat();
  }
}
