import { Controller } from '@nestjs/common';
import { MessagePattern } from '@nestjs/microservices';
import { Answered, Asked, asked, COMMANDS, moduleOf, never, until } from './contract-world.js';
import { createBusApp } from './create-bus-app.js';
import { MemoryBroker } from './memory/memory-broker.js';
import { toRecord } from './envelope.js';

@Controller()
class Silent {
  @MessagePattern(Asked.type)
  take(): void {}
}

@Controller()
class Clumsy {
  @MessagePattern(Asked.type)
  take(): void {
    throw new RangeError('quotes 8472910365');
  }
}

describe('createBusApp', () => {
  it('does not listen when a message has no handler, and names it', async () => {
    const app = await createBusApp(moduleOf(Silent), {
      ...{ broker: new MemoryBroker(), group: 'g', messages: [Asked, Answered], onFatal: never },
    });
    await expect(app.listen()).rejects.toThrow(Answered.type);
    await app.close();
  });

  it('does not listen when a handler has no message, and names it', async () => {
    const app = await createBusApp(moduleOf(Silent), {
      ...{ broker: new MemoryBroker(), group: 'g', messages: [], onFatal: never },
    });
    await expect(app.listen()).rejects.toThrow(Asked.type);
    await app.close();
  });

  it('logs where a bug was thrown, and not its message', async () => {
    const lines: string[] = [];
    const line = (text: unknown): void => void lines.push(String(text));
    const logger = { log: line, warn: line, error: line };
    const broker = new MemoryBroker();
    await broker.ensureTopics([COMMANDS]);
    const app = await createBusApp(moduleOf(Clumsy), { broker, group: 'g', messages: [Asked], logger, onFatal: never });
    await app.listen();
    await broker.send([toRecord({ message: asked('s', 1) })]);
    await until(() => lines.some((text) => text.includes('RangeError')), 'the line');
    await app.close();
    await broker.close();
    expect(lines.join('\n')).toContain('bus-server.spec');
    expect(lines.join('\n')).not.toContain('8472910365');
  });
});
