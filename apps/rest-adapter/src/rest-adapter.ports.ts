import { type AgentPublished, type Message, type MessageClass } from '@countersign/contracts';

/** The other services, which are reached over the bus. */
export abstract class CommandBus {
  /**
   * Publishes a command and waits for its answer.
   * @param timeoutMs longest wait; afterwards the command may still be carried out
   * @throws ServiceError REQUEST_TIMED_OUT or BROKER_UNAVAILABLE, both retriable
   */
  abstract request<T extends Message>(request: Message, replyClass: MessageClass<T>, timeoutMs: number): Promise<T>;
}

/** What the directory published about agents. */
export abstract class AgentKeys {
  /**
   * The agent that has this API key; undefined for every other text.
   * @param now milliseconds since 1970; a rotated key ends at a time
   */
  abstract agentByApiKey(apiKey: string, now: number): AgentPublished | undefined;
}

/** Longest wait for the answer of another service. */
export abstract class ReplyTimeout {
  abstract readonly milliseconds: number;
}
