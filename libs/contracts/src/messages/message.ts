import 'reflect-metadata';
/**
 * A message between processes: a class with class-validator rules on its fields. It is sent as the JSON of its fields. A
 * changed meaning needs a new class with the next version in its `type`. Optional fields may be added, because readers
 * ignore unknown fields.
 */
export abstract class Message {
  /**
   * Records with the same key keep their order and are handled one after the other. Correctness does not depend on it, but
   * on database rows. A getter, so it is not part of the JSON.
   */
  abstract get partitionKey(): string;
}

/** The class of a message, with what the bus needs to write and to read it. */
export interface MessageClass<T extends Message = Message> {
  new (): T;
  /** `<noun>.<past participle>.v<n>`; travels in the header `type`. */
  readonly type: string;
  /** The topic of the message; empty for a reply, which goes to the reply address of its request. */
  readonly topic: string;
}

/** Builds a message from its fields. Services create messages only with it. */
export function message<T extends Message>(type: MessageClass<T>, fields: FieldsOf<T>): T {
  return Object.assign(new type(), fields);
}

/** The fields of a message without its computed key. */
export type FieldsOf<T extends Message> = Omit<T, 'partitionKey'>;

/** The encoded form of a message, for the bus and for an outbox. */
export interface EncodedMessage {
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string;
}

/**
 * @param id id of the record; the same when it is sent again
 * @param headers additional headers, such as those of a trace
 */
export function encodeMessage(
  id: string,
  content: Message,
  headers: Readonly<Record<string, string>> = {},
): EncodedMessage {
  const { type, topic } = content.constructor as MessageClass;
  return { id, topic, key: content.partitionKey, headers: { ...headers, type, id }, value: JSON.stringify(content) };
}
