import { jest } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { message } from '@countersign/contracts';
import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { BusClient } from '../bus-client.js';
import { Answered, Asked, asked, COMMANDS, moduleOf, never } from '../contract-world.js';
import { createBusApp } from '../create-bus-app.js';
import { type BusContext, replyTo } from '../envelope.js';
import { KafkaBroker } from './kafka-broker.js';
jest.setTimeout(120000);
@Controller()
class Echo {
  @MessagePattern(Asked.type)
  take(@Payload() m: Asked, @Ctx() c: BusContext) { return replyTo(c, message(Answered, { number: m.number })); }
}
it('bench', async () => {
  const topicPrefix = `t${randomBytes(6).toString('hex')}.`;
  const brokers = (process.env['TEST_KAFKA_BROKERS'] ?? '').split(',');
  const mk = () => new KafkaBroker({ brokers, clientId: 'c', topicPrefix, replication: Math.min(3, brokers.length) });
  const [a, b] = [mk(), mk()];
  await a.ensureTopics([COMMANDS]);
  const app = await createBusApp(moduleOf(Echo), { broker: a, group: 'g', messages: [Asked], onFatal: never });
  await app.listen();
  const client = await BusClient.open({ broker: b, owner: 'x', onFatal: never });
  const out = (l: string) => process.stderr.write(l + '\n');
  for (const [flight, total] of [[1, 300], [32, 6000], [32, 20000], [64, 20000]] as const) {
    const lat: number[] = [];
    let next = 0;
    const cpu = process.cpuUsage();
    const start = performance.now();
    await Promise.all(Array.from({ length: flight }, async () => {
      while (next < total) {
        const n = next++;
        const t = performance.now();
        await client.ask(asked(`subject-${n % 1000}`, n), Answered, 10000);
        lat.push(performance.now() - t);
      }
    }));
    const ms = performance.now() - start;
    const used = process.cpuUsage(cpu);
    lat.sort((x, y) => x - y);
    out(`flight ${flight}: ${Math.round(total / ms * 1000)}/s p50 ${lat[total >> 1]?.toFixed(1)} p99 ${lat[Math.floor(total * 0.99)]?.toFixed(1)} cpu/req ${((used.user + used.system) / total).toFixed(0)}us`);
  }
  const cpu = process.cpuUsage();
  await new Promise((r) => setTimeout(r, 3000));
  const used = process.cpuUsage(cpu);
  out(`idle cpu ${((used.user + used.system) / 30000).toFixed(2)} %`);
  await app.close(); await client.close(); await a.close(); await b.close();
});
