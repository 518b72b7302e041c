import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { IsInt, IsString } from 'class-validator';
import { Controller, Module } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { message, Message, REPLY } from '@countersign/contracts';
import {
  BusClient,
  createBroker,
  createBusApp,
  replyTo,
  type Broker,
  type BusContext,
  type Outgoing,
} from '@countersign/messaging';
import { keepInFlight, latency } from './figures.js';

/**
 * The same round trip as `kafka-round-trip.ts` over the product's bus: a message, validated on arrival, to a handler of
 * a Nest application, and its reply to the address of the client. Client and handler have a broker connection each.
 * Arguments: brokers, seconds, in flight, copies of each partition. Prints round trips per second and milliseconds.
 */
class EchoRequested extends Message {
  static readonly type = 'bench.echo-requested.v1';
  static readonly topic = 'bench.requests';
  @IsInt() number!: number;
  @IsString() text!: string;
  override get partitionKey(): string {
    return `key-${this.number % 1000}`;
  }
}

class EchoAnswered extends Message {
  static readonly type = 'bench.echo-answered.v1';
  static readonly topic = REPLY;
  @IsInt() number!: number;
  @IsString() text!: string;
  override get partitionKey(): string {
    return String(this.number);
  }
}

@Controller()
class Echo {
  @MessagePattern(EchoRequested.type)
  take(@Payload() { number, text }: EchoRequested, @Ctx() context: BusContext): Outgoing | undefined {
    return replyTo(context, message(EchoAnswered, { number, text }));
  }
}

@Module({ controllers: [Echo] })
class EchoModule {}

const [brokers = '', seconds = '10', inFlight = '50', replication = '1'] = process.argv.slice(2);
const topicPrefix = `bench-${randomBytes(6).toString('hex')}.`;
const open = (): Broker =>
  createBroker({
    brokers: brokers.split(','),
    clientId: 'bench',
    topicPrefix,
    replication: Number(replication),
  });
const onFatal = (error: Error): never => {
  throw error;
};
const [clientBroker, serverBroker] = [open(), open()];
await serverBroker.ensureTopics([{ name: EchoRequested.topic, kind: 'command' }]);
const app = await createBusApp(EchoModule, { broker: serverBroker, group: 'echo', messages: [EchoRequested], onFatal });
await app.listen();
const proof = { isRequired: () => false, isValid: () => false };
const client = await BusClient.open({ broker: clientBroker, owner: 'bench', proof, onFatal });
const text = 'x'.repeat(680);
const roundTrip = async (number: number): Promise<void> => {
  await client.request(message(EchoRequested, { number, text }), EchoAnswered, 30_000);
};
await keepInFlight(Number(inFlight), 2, roundTrip);
const times = await keepInFlight(Number(inFlight), Number(seconds), roundTrip);
await client.close();
await app.close();
await Promise.all([clientBroker.close(), serverBroker.close()]);
process.stdout.write(`${JSON.stringify({ perSecond: times.length / Number(seconds), ...latency(times) })}\n`);
process.exit(0);
