import 'reflect-metadata';
/**
 * A message between processes. It is a class whose fields carry class-validator rules; it is
 * written as the JSON of its own fields. A new meaning is a new class with the next version in its `type`, never an
 * edit of an old one; new optional fields are allowed, and readers ignore fields that they do not know.
 */
export abstract class Message {
  /**
   * Records with the same key keep their order and are handled one after the other. Correctness never rests on it:
   * the database row decides. A getter, so that it is not written into the value.
   */
  abstract get partitionKey(): string;
}

/** The class of a message: what the bus needs to write one and to read one back. */
export interface MessageClass<T extends Message = Message> {
  new (): T;
  /** `<noun>.<past participle>.v<n>`; travels in the header `type`. */
  readonly type: string;
  /** The topic of the message; empty for a reply, which goes to the reply address of its request. */
  readonly topic: string;
}

/** Builds a message from its fields; the only way in which the services make one. */
export function message<T extends Message>(type: MessageClass<T>, fields: FieldsOf<T>): T {
  return Object.assign(new type(), fields);
}

/** The fields of a message without its computed key. */
export type FieldsOf<T extends Message> = Omit<T, 'partitionKey'>;

/** The written form of a message: what travels, and what an outbox keeps until it does. */
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
