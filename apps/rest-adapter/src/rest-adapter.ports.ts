import { type AgentPublished, type Message, type MessageClass } from '@countersign/contracts';

/** The other services, as they are asked over the bus. */
export abstract class CommandBus {
  /**
   * Publishes a command and waits for its answer.
   * @param timeoutMs after this the answer is given up; the command may still be carried out
   * @throws ServiceError REQUEST_TIMED_OUT or BROKER_UNAVAILABLE, both retriable
   */
  abstract request<T extends Message>(request: Message, replyClass: MessageClass<T>, timeoutMs: number): Promise<T>;
}

/** What the directory published about agents. */
export abstract class AgentKeys {
  /**
   * The agent that this API key belongs to now; undefined for every other text.
   * @param now milliseconds since 1970: rotated keys end at a time
   */
  abstract agentByApiKey(apiKey: string, now: number): AgentPublished | undefined;
}

/** How long an answer is awaited, in milliseconds. */
export abstract class ReplyTimeout {
  abstract readonly milliseconds: number;
}
