import { randomUUID } from 'node:crypto';
import { Message, message, REPLY, type TopicSpec } from '@countersign/contracts';
import { Module, type Type } from '@nestjs/common';
import { IsInt, IsString } from 'class-validator';
import { type ReplyVerification } from '../src/request-reply/signed-replies.js';
import { type Broker, type BusRecord, type ConsumedRecord } from '../src/broker.js';

/** One cluster with any number of processes. */
export interface ContractWorld {
  /** A broker for one more process. */
  broker(): Broker;
  close(): Promise<void>;
}

/** For a client that accepts unsigned replies. */
export const UNSIGNED_REPLIES: ReplyVerification = { isRequired: () => false, isValid: () => false };

export const COMMANDS: TopicSpec = { name: 'test.commands', kind: 'command' };
/** Has one partition. */
export const STATE: TopicSpec = { name: 'test.state', kind: 'state' };

export class TestRequest extends Message {
  static readonly type = 'test.asked.v1';
  static readonly topic = COMMANDS.name;
  @IsString() subject!: string;
  @IsInt() number!: number;
  get partitionKey(): string {
    return this.subject;
  }
}

export class TestReply extends Message {
  static readonly type = 'test.answered.v1';
  static readonly topic = REPLY;
  @IsInt() number!: number;
  get partitionKey(): string {
    return String(this.number);
  }
}

export const testRequest = (subject: string, number: number): TestRequest => message(TestRequest, { subject, number });

export const record = (topic: TopicSpec, key: string, value: string): BusRecord => ({
  topic: topic.name,
  key,
  value: Buffer.from(value),
  headers: { type: 'test', id: randomUUID() },
});

export const textOf = ({ value }: ConsumedRecord): string => value.toString();

/** A Nest module with one controller. */
export function moduleOf(controller: Type): Type {
  class TestModule {}
  Module({ controllers: [controller] })(TestModule);
  return TestModule;
}

export const throwFatal = (error: Error): void => {
  throw error;
};

/** Resolves when the condition holds; checks every few milliseconds. */
export async function until(condition: () => boolean, what: string, limitMs = 30_000): Promise<void> {
  const end = Date.now() + limitMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Blocks handlers until the test opens it. */
export class Gate {
  #open: () => void = () => undefined;
  readonly opened = new Promise<void>((resolve) => (this.#open = resolve));

  open(): void {
    this.#open();
  }
}
