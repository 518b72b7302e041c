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
import { type RefusalCache } from './refusal-cache.js';

/** What the limiter says of a request that brings no guess. */
export type LimiterReply = Pick<LimitDecided, 'outcome' | 'retryAfterSeconds' | 'quotas'>;

/** How a front door asks the services for a decision, whatever it speaks to the outside. */
export class VerificationClient {
  /**
   * @param ask publishes a request and awaits its answer
   * @param clock the one of `refusals`
   */
  constructor(
    private readonly ask: (request: VerificationRequested) => Promise<VerificationDecided>,
    private readonly askLimits: (request: LimitRequested) => Promise<LimitDecided>,
    private readonly refusals: RefusalCache,
    private readonly sealer: PayloadSealer,
    /** Of IDENTIFIER_KEY. */
    private readonly hash: KeyedHash,
    private readonly clock: Clock,
  ) {}

  /**
   * The decision about a guess, with its receipt in clear after a success. A guess that a limit refuses that is known to
   * stand is neither sealed nor sent.
   * @param described what is said beside the names
   * @param submitted what was guessed; it is sealed with the key that seals the receipt of the answer, bound to all the rest
   * @throws ServiceError whatever `ask` throws; SEAL_BROKEN, not retriable, for a success that is not believed
   */
  async decide(
    agent: AgentPublished,
    identified: Identified,
    described: Omit<FieldsOf<VerificationRequested>, 'sealed' | keyof Names>,
    submitted: Readonly<Record<string, unknown>>,
  ): Promise<VerificationDecided> {
    const guess = { ...described, ...nameGuess(this.hash, identified) };
    const refused = this.refusals.find(agent.policy, guess);
    if (refused) return message(VerificationDecided, { commandId: guess.commandId, level: 'none', ...refused });
    const replyKey = createReplyKey();
    const payload = { ...submitted, identity: sealedIdentity(identified), replyKey };
    const sealed = await this.sealer.seal(payload, bindingOf(VerificationRequested, guess));
    this.refusals.asking(guess);
    const askedAt = this.clock.now();
    const decided = await this.ask(message(VerificationRequested, { ...guess, sealed }));
    this.refusals.learn(agent.policy, guess, decided, askedAt);
    return believeSuccess(guess, decided, replyKey);
  }

  /**
   * Whether a request that brings no guess may be carried out. What a known refusal covers is refused from memory.
   * @param policy of the agent; undefined for the administrator
   * @throws ServiceError whatever `askLimits` throws: then it may not
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
