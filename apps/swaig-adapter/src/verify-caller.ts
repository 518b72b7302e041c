import { randomUUID } from 'node:crypto';
import { message, SUBJECT_PATTERN, VerificationDecided, VerificationRequested } from '@countersign/contracts';
import { type AgentPublished } from '@countersign/contracts';
import { createReplyKey, openReceipt, SealBrokenError, type KeyedHash, type Sealer } from '@countersign/sealing';
import { ServiceError, toE164 } from '@countersign/service';
import { type Verifications } from './ports.js';
import { type FunctionCall } from './swaig-request.js';

/** How long a repeated delivery of the same call gets the same answer, in seconds. */
const REPEAT_SECONDS = 60;
/** Call ids that are passed on as they are; others are hashed, for no store has to bear what a stranger puts there. */
const PLAIN_CALL_ID = /^[\x21-\x7e]{1,256}$/;

/** Asks the services whether the caller's PIN is right. */
export class VerifyCaller {
  /** Decisions that this instance waits for, by command and fingerprint. */
  readonly #underWay = new Map<string, Promise<VerificationDecided>>();

  constructor(
    private readonly sealer: Sealer,
    private readonly hash: KeyedHash,
    private readonly verifications: Verifications,
  ) {}

  /**
   * One guess. The platform delivers a call again when it got no answer in time, with nothing in it that says so: what
   * makes it the same is call, session, function and the model's own words. A repeated delivery has the command id of
   * the first, so the services answer it without counting it; one that is under way here is not even asked again.
   * @param pin 4 to 8 digits
   * @throws ServiceError when there is no decision in time
   */
  async execute(agent: AgentPublished, call: FunctionCall, pin: string): Promise<VerificationDecided> {
    const { tenant } = agent;
    const customerId = customerIdOf(call);
    const e164 = toE164(call.caller);
    const subject = this.#subject(tenant, customerId, e164, call.caller);
    const callId = PLAIN_CALL_ID.test(call.callId) ? call.callId : this.hash.hash('call', tenant, call.callId);
    const commandId = this.#commandId(agent, call, pin, customerId);
    const fingerprint = this.hash.hash(
      'fingerprint',
      tenant,
      agent.agent,
      subject.subjectKind,
      subject.subjectRef,
      call.caller,
      call.callId,
      pin,
    );
    const key = `${commandId}:${fingerprint}`;
    const underWay = this.#underWay.get(key);
    if (underWay) return underWay;
    const replyKey = createReplyKey();
    const decision = this.sealer.seal({ pin, replyKey }, { commandId, tenant }).then((sealed) =>
      this.verifications
        .decide(
          message(VerificationRequested, {
            commandId,
            fingerprint,
            repeatSeconds: REPEAT_SECONDS,
            tenant,
            agent: agent.agent,
            channel: 'swaig',
            method: 'pin',
            ...subject,
            ...(call.callId === '' ? {} : { callId }),
            callerKey: this.hash.hash('caller', tenant, e164 ?? call.caller),
            callerTail: e164?.slice(-2) ?? '',
            sealed,
          }),
        )
        .then((decided) => believed(decided, replyKey)),
    );
    this.#underWay.set(key, decision);
    try {
      return await decision;
    } finally {
      this.#underWay.delete(key);
    }
  }

  /** An id or a caller that cannot be anybody's takes the same path as one that is nobody's: no answer tells them apart. */
  #subject(
    tenant: string,
    customerId: string,
    e164: string | undefined,
    caller: string,
  ): { subjectKind: 'id' | 'phone'; subjectRef: string } {
    if (customerId === '') {
      return { subjectKind: 'phone', subjectRef: this.hash.hash('phone', tenant, e164 ?? `caller ${caller}`) };
    }
    if (SUBJECT_PATTERN.test(customerId)) return { subjectKind: 'id', subjectRef: customerId };
    return { subjectKind: 'phone', subjectRef: this.hash.hash('phone', tenant, `customer ${customerId}`) };
  }

  /** Without a call id nothing tells a repeated delivery from a second guess, so each counts. */
  #commandId(agent: AgentPublished, call: FunctionCall, pin: string, customerId: string): string {
    if (call.callId === '') return `swaig-${randomUUID()}`;
    const words = call.rawArgument || JSON.stringify([pin, customerId]);
    const { callId, aiSessionId, functionName } = call;
    return `swaig-${this.hash.hash('command', agent.tenant, agent.agent, callId, aiSessionId, functionName, words)}`;
  }
}

function customerIdOf(call: FunctionCall): string {
  const value = call.args['customer_id'];
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? value.trim() : '';
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
