import {
  bindingOf,
  message,
  LimitRequested,
  VerificationDecided,
  VerificationRequested,
  type AgentPublished,
  type FieldsOf,
  type LimitDecided,
  type Policy,
} from '@countersign/contracts';
import { createReplyKey, type KeyedHash, type PayloadSealer } from '@countersign/crypto';
import { type Clock } from '@countersign/runtime';
import { believeSuccess } from './believe-success.js';
import { nameGuess, sealedIdentity, type Identified, type Names } from './name-guess.js';
import { type AdapterRefusalCache } from './refusal-cache.js';

/** The limiter's decision about a request without a submitted secret. */
export type LimiterReply = Pick<LimitDecided, 'outcome' | 'retryAfterSeconds' | 'quotas'>;

/** How an adapter gets a decision from the services, whatever protocol it speaks to the outside. */
export class VerificationClient {
  /**
   * @param ask publishes a request and waits for its reply
   * @param clock the clock of `refusals`
   */
  constructor(
    private readonly ask: (request: VerificationRequested) => Promise<VerificationDecided>,
    private readonly askLimits: (request: LimitRequested) => Promise<LimitDecided>,
    private readonly refusals: AdapterRefusalCache,
    private readonly sealer: PayloadSealer,
    /** Of IDENTIFIER_KEY. */
    private readonly hash: KeyedHash,
    private readonly clock: Clock,
  ) {}

  /**
   * Decides an attempt and returns the decision, with its receipt in clear after a success. An attempt that a cached refusal
   * covers is neither encrypted nor sent.
   * @param described the fields of the attempt that hold no names
   * @param submitted the submitted secrets. They are encrypted with the reply key, bound to all other fields.
   * @throws ServiceError whatever `ask` throws; SEAL_BROKEN, not retriable, for a success that fails its checks
   */
  async decide(
    agent: AgentPublished,
    identified: Identified,
    described: Omit<FieldsOf<VerificationRequested>, 'sealed' | keyof Names>,
    submitted: Readonly<Record<string, unknown>>,
  ): Promise<VerificationDecided> {
    const attempt = { ...described, ...nameGuess(this.hash, identified) };
    const refused = this.refusals.find(agent.policy, attempt);
    if (refused) return message(VerificationDecided, { commandId: attempt.commandId, level: 'none', ...refused });
    const replyKey = createReplyKey();
    const payload = { ...submitted, identity: sealedIdentity(identified), replyKey };
    const sealed = await this.sealer.seal(payload, bindingOf(VerificationRequested, attempt));
    this.refusals.noteSent(attempt);
    const askedAt = this.clock.now();
    const decided = await this.ask(message(VerificationRequested, { ...attempt, sealed }));
    this.refusals.learn(agent.policy, attempt, decided, askedAt);
    return believeSuccess(attempt, decided, replyKey);
  }

  /**
   * Decides whether a request without a submitted secret may be performed. A request that a cached refusal covers is refused
   * without asking the limiter.
   * @param policy of the agent; undefined for an administrator
   * @throws ServiceError whatever `askLimits` throws; then the request must not be performed
   */
  async admit(policy: Policy | undefined, request: FieldsOf<LimitRequested>): Promise<LimiterReply> {
    const refused = this.refusals.find(policy, request);
    if (refused) return refused;
    const askedAt = this.clock.now();
    const decided = await this.askLimits(message(LimitRequested, request));
    this.refusals.learn(policy, request, decided, askedAt);
    return decided;
  }
}
