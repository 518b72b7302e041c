import { type FactRecorded, type Message, type MessageClass } from '@countersign/contracts';

/** The other services, which are reached over the bus. */
export abstract class CommandBus {
  /**
   * Publishes a command and waits for its answer.
   * @param timeoutMs longest wait; afterwards the command may still be carried out
   * @throws ServiceError REQUEST_TIMED_OUT or BROKER_UNAVAILABLE, both retriable
   */
  abstract request<T extends Message>(request: Message, replyClass: MessageClass<T>, timeoutMs: number): Promise<T>;
}

/** The bus, for facts of this service. */
export abstract class FactBus {
  /** Resolves when the facts are durable. @throws ServiceError BROKER_UNAVAILABLE, retriable */
  abstract publish(facts: readonly { readonly message: FactRecorded }[]): Promise<void>;
}

/** How requests and answers with many lines are handled. */
export abstract class StreamLimits {
  /** The longest wait for the next line, in milliseconds. */
  abstract readonly idleMs: number;
  /** The longest duration of an import, in milliseconds. */
  abstract readonly longestMs: number;
  /** Logs a fault that occurs after the status of the answer was sent. */
  abstract readonly logFault: (error: unknown, what: string) => void;
}

/** Longest wait for the answer of another service. */
export abstract class ReplyTimeout {
  abstract readonly milliseconds: number;
}
