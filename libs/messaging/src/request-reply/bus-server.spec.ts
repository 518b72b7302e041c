import { Controller } from '@nestjs/common';
import { Message } from '@countersign/contracts';
import { MessagePattern } from '@nestjs/microservices';
import { IsString } from 'class-validator';
import {
  TestReply,
  TestRequest,
  testRequest,
  COMMANDS,
  moduleOf,
  throwFatal,
  until,
} from '../../test/contract-world.js';
import { createBusApp } from './create-bus-app.js';
import { MemoryBroker } from '../memory/memory-broker.js';
import { toRecord } from '../envelope/envelope.js';

@Controller()
class Silent {
  @MessagePattern(TestRequest.type)
  take(): void {}
}

@Controller()
class Clumsy {
  @MessagePattern(TestRequest.type)
  take(): void {
    throw new RangeError('quotes 8472910365');
  }
}

describe('createBusApp', () => {
  it('rejects listen when a message has no handler, and names the message', async () => {
    const app = await createBusApp(moduleOf(Silent), {
      ...{ broker: new MemoryBroker(), group: 'g', messages: [TestRequest, TestReply], onFatal: throwFatal },
    });
    await expect(app.listen()).rejects.toThrow(TestReply.type);
    await app.close();
  });

  it('rejects listen when a handler has no message, and names the message', async () => {
    const app = await createBusApp(moduleOf(Silent), {
      ...{ broker: new MemoryBroker(), group: 'g', messages: [], onFatal: throwFatal },
    });
    await expect(app.listen()).rejects.toThrow(TestRequest.type);
    await app.close();
  });

  it('handles a message from its own topic only, and dead-letters it from another topic', async () => {
    const OTHERS = { name: 'test.others', kind: 'command' } as const;
    class Elsewhere extends Message {
      static readonly type = 'test.elsewhere.v1';
      static readonly topic = OTHERS.name;
      @IsString() partitionKey = 'k';
    }
    const taken: string[] = [];
    @Controller()
    class Noting {
      @MessagePattern(TestRequest.type)
      take(): void {
        taken.push(TestRequest.type);
      }

      @MessagePattern(Elsewhere.type)
      takeOther(): void {
        taken.push(Elsewhere.type);
      }
    }
    const broker = new MemoryBroker();
    await broker.ensureTopics([COMMANDS, OTHERS]);
    const codes: unknown[] = [];
    const app = await createBusApp(moduleOf(Noting), {
      ...{ broker, group: 'g', messages: [TestRequest, Elsewhere], onFatal: throwFatal },
      observe: ({ topic, outcome, code }) => codes.push([topic, outcome, code]),
    });
    await app.listen();
    await broker.send([toRecord({ message: testRequest('s', 1), topic: OTHERS.name })]);
    await broker.send([toRecord({ message: new Elsewhere() })]);
    await until(() => codes.length === 2, 'both records');
    await app.close();
    await broker.close();
    expect(taken).toEqual([Elsewhere.type]);
    expect(codes).toContainEqual([OTHERS.name, 'dead_lettered', 'MESSAGE_UNREADABLE']);
    expect(codes).toContainEqual([OTHERS.name, 'handled', undefined]);
  });

  it('logs the stack of a bug without its message', async () => {
    const lines: string[] = [];
    const line = (text: unknown): void => void lines.push(String(text));
    const logger = { log: line, warn: line, error: line };
    const broker = new MemoryBroker();
    await broker.ensureTopics([COMMANDS]);
    const app = await createBusApp(moduleOf(Clumsy), {
      broker,
      group: 'g',
      messages: [TestRequest],
      logger,
      onFatal: throwFatal,
    });
    await app.listen();
    await broker.send([toRecord({ message: testRequest('s', 1) })]);
    await until(() => lines.some((text) => text.includes('RangeError')), 'the line');
    await app.close();
    await broker.close();
    expect(lines.join('\n')).toContain('bus-server.spec');
    expect(lines.join('\n')).not.toContain('8472910365');
  });
});
