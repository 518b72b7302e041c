import {
  bindingOf,
  message,
  VerificationDecided,
  VerificationRequested,
  type AgentPublished,
  type FieldsOf,
} from '@countersign/contracts';
import { createReplyKey, type Sealer } from '@countersign/sealing';
import { type Clock } from '@countersign/service';
import { believeSuccess } from './believe-success.js';
import { type StandingRefusals } from './standing-refusals.js';

/** How a front door asks the services for a decision, whatever it speaks to the outside. */
export class VerificationClient {
  /**
   * @param ask publishes a request and awaits its answer
   * @param clock the one of `refusals`
   */
  constructor(
    private readonly ask: (request: VerificationRequested) => Promise<VerificationDecided>,
    private readonly refusals: StandingRefusals,
    private readonly sealer: Sealer,
    private readonly clock: Clock,
  ) {}

  /**
   * The decision about a guess, with its receipt in clear after a success. A guess that a limit refuses that is known to
   * stand is neither sealed nor sent.
   * @param submitted what was guessed; it is sealed with the key that seals the receipt of the answer, bound to `guess`
   * @throws ServiceError whatever `ask` throws; SEAL_BROKEN, not retriable, for a success that is not believed
   */
  async decide(
    agent: AgentPublished,
    guess: Omit<FieldsOf<VerificationRequested>, 'sealed'>,
    submitted: Readonly<Record<string, unknown>>,
  ): Promise<VerificationDecided> {
    const refused = this.refusals.find(agent.policy, guess);
    if (refused) return message(VerificationDecided, { commandId: guess.commandId, level: 'none', ...refused });
    const replyKey = createReplyKey();
    const sealed = await this.sealer.seal({ ...submitted, replyKey }, bindingOf(VerificationRequested, guess));
    this.refusals.asking(guess);
    const askedAt = this.clock.now();
    const decided = await this.ask(message(VerificationRequested, { ...guess, sealed }));
    this.refusals.learn(agent.policy, guess, decided, askedAt);
    return believeSuccess(guess, decided, replyKey);
  }
}
