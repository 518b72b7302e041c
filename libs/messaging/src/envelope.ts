import { type Message } from '@countersign/contracts';

/** Names of the record headers. */
export const HEADERS = {
  type: 'type',
  /** Id of the record, the same when it is sent again. */
  id: 'id',
  /** Topic of the asker's reply address. */
  replyTo: 'reply-to',
  correlationId: 'correlation-id',
  /** Milliseconds since 1970 after which nobody waits for the answer any more. */
  deadline: 'deadline',
  traceparent: 'traceparent',
} as const;

/** A message on its way out. Handlers return these; they publish nothing themselves. */
export interface Outgoing {
  readonly message: Message;
  /** Overrides the topic of the message's class: a reply address. */
  readonly topic?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a handler learns besides the message. */
export interface BusContext {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Header `deadline` in milliseconds since 1970; undefined: somebody waits for ever (facts). */
  readonly deadline: number | undefined;
  /** The asker's address, when there is one. */
  readonly replyTo: string | undefined;
}
