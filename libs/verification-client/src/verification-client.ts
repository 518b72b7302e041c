import {
  bindingOf,
  message,
  LimitRequested,
  VerificationDecided,
  VerificationRequested,
  type AgentPublished,
  type Conflict,
  type FieldsOf,
  type LimitDecided,
  type Policy,
} from '@countersign/contracts';
import { createReplyKey, isAnswerMac, type KeyedHash, type PayloadSealer } from '@countersign/crypto';
import { type ProofCheck } from '@countersign/messaging';
import { ServiceError, type Clock } from '@countersign/runtime';
import { fingerprintOf, namesOf, type ReceivedAttempt } from './attempt.js';
import { openSuccess } from './open-success.js';
import { type AdapterRefusalCache } from './refusal-cache.js';

/** The limiter's decision about a request without a submitted secret. */
export type LimiterReply = Pick<LimitDecided, 'outcome' | 'retryAfterSeconds' | 'limitedBy' | 'quotas'>;

/** The decision about an attempt. */
export interface AttemptDecision extends VerificationDecided {
  /** Code of the fault that made the outcome `unavailable`. */
  readonly fault?: string;
}

interface AttemptInFlight {
  readonly fingerprint: string;
  readonly decision: Promise<AttemptDecision>;
}

/** How an adapter gets a decision from the services, whatever protocol it offers to its clients. */
export class VerificationClient {
  /** By command id. */
  readonly #inFlight = new Map<string, AttemptInFlight>();

  /**
   * @param requestDecision publishes a request and awaits its reply, signed or proven by `isProof`, for a limited time
   * @param requestLimits the same for a request without a submitted secret
   * @param hash of IDENTIFIER_KEY
   * @param clock the clock of `refusals`
   */
  constructor(
    private readonly requestDecision: (
      request: VerificationRequested,
      isProof: ProofCheck,
    ) => Promise<VerificationDecided>,
    private readonly requestLimits: (request: LimitRequested) => Promise<LimitDecided>,
    private readonly refusals: AdapterRefusalCache,
    private readonly sealer: PayloadSealer,
    private readonly hash: KeyedHash,
    private readonly clock: Clock,
  ) {}

  /**
   * Decides an attempt and returns the decision, with its receipt in clear after a success. Without a reply in time, or with a
   * success that fails its checks, the outcome is `unavailable`: silence is never a success.
   *
   * A repetition of an attempt in flight in this process is neither encrypted nor sent. If another process has the first one in
   * flight, verification answers both. Another attempt with the command id of one in flight is the conflict `mismatch`.
   * @param ifInFlight `join`: the repetition gets the decision of the first. `refuse`: it is the conflict `in_flight`.
   * @throws ServiceError that is not retriable, for a fault of this adapter
   */
  async decide(
    agent: AgentPublished,
    attempt: ReceivedAttempt,
    ifInFlight: 'join' | 'refuse',
  ): Promise<AttemptDecision> {
    const { names, identity } = namesOf(this.hash, attempt);
    const { command: _command, subject: _subject, caller: _caller, secret, ...fields } = attempt;
    const { method, ...submitted } = secret;
    const request = { ...fields, ...names, method, tenant: agent.tenant, agent: agent.agent };
    const { commandId } = names;
    const fingerprint = fingerprintOf(this.hash, agent, attempt);
    const first = this.#inFlight.get(commandId);
    if (first && first.fingerprint !== fingerprint) return unavailable(commandId, { conflict: 'mismatch' });
    if (first) return ifInFlight === 'join' ? first.decision : unavailable(commandId, { conflict: 'in_flight' });
    const decision = this.#request(agent.policy, request, { ...submitted, identity });
    this.#inFlight.set(commandId, { fingerprint, decision });
    try {
      return await decision;
    } finally {
      this.#inFlight.delete(commandId);
    }
  }

  /**
   * Decides whether a request without a submitted secret may be performed. A request that a cached refusal covers is refused
   * without a request to the limiter.
   * @param policy of the agent; undefined for an administrator
   * @throws ServiceError whatever `requestLimits` throws; then the request must not be performed
   */
  async admit(policy: Policy | undefined, request: FieldsOf<LimitRequested>): Promise<LimiterReply> {
    const refused = this.refusals.find(policy, request);
    if (refused) return refused;
    const requestedAt = this.clock.now();
    const decided = await this.requestLimits(message(LimitRequested, request));
    this.refusals.learn(policy, request, decided, requestedAt);
    return decided;
  }

  /** Only an attempt that no cached refusal covers is encrypted, with a reply key, bound to all other fields, and sent. */
  async #request(
    policy: Policy,
    attempt: Omit<FieldsOf<VerificationRequested>, 'sealed'>,
    payload: Readonly<Record<string, unknown>>,
  ): Promise<AttemptDecision> {
    const { commandId } = attempt;
    const refused = this.refusals.find(policy, attempt);
    if (refused) return message(VerificationDecided, { commandId, level: 'none', ...refused });
    const replyKey = createReplyKey();
    const sealed = await this.sealer.seal(
      { ...payload, replyKey, acceptsMac: true },
      bindingOf(VerificationRequested, attempt),
    );
    this.refusals.noteSent(attempt);
    const requestedAt = this.clock.now();
    try {
      const decided = await this.requestDecision(
        message(VerificationRequested, { ...attempt, sealed }),
        (text, proof) => isAnswerMac(text, proof, replyKey),
      );
      this.refusals.learn(policy, attempt, decided, requestedAt);
      return openSuccess(attempt, decided, replyKey);
    } catch (error) {
      if (!(error instanceof ServiceError && (error.retriable || error.code === 'SEAL_BROKEN'))) throw error;
      return unavailable(commandId, { fault: error.code });
    }
  }
}

function unavailable(
  commandId: string,
  reason: { readonly conflict: Conflict } | { readonly fault: string },
): AttemptDecision {
  return Object.assign(message(VerificationDecided, { commandId, outcome: 'unavailable', level: 'none' }), reason);
}
