import { jest } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { message } from '@countersign/contracts';
import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { BusClient } from '../bus-client.js';
import { Answered, Asked, asked, COMMANDS, moduleOf, record, until, textOf } from '../contract-world.js';
import { createBusApp } from '../create-bus-app.js';
import { type BusContext, replyTo } from '../envelope.js';
import { KafkaBroker } from './kafka-broker.js';
jest.setTimeout(180000);
const FACTS = { name: 'f', kind: 'fact' } as const;
@Controller()
class Echo {
  @MessagePattern(Asked.type)
  take(@Payload() m: Asked, @Ctx() c: BusContext) { return replyTo(c, message(Answered, { number: m.number })); }
}
it('failover', async () => {
  const topicPrefix = `t${randomBytes(6).toString('hex')}.`;
  const out = (l: string) => process.stderr.write(l + '\n');
  const { brokers, processes } = JSON.parse(process.env['CLUSTER'] ?? '') as { brokers: string[]; processes: { pid: number }[] };
  const never = (e: Error) => out(`FATAL ${e.message} ${String(e.cause)}`);
  const logs = new Map<string, number>();
  const mk = () => new KafkaBroker({ brokers, clientId: 'c', topicPrefix, replication: 3, log: (l) => logs.set(l, (logs.get(l) ?? 0) + 1) });
  const [a, b] = [mk(), mk()];
  let t0 = Date.now();
  await a.ensureTopics([COMMANDS, FACTS]);
  const app = await createBusApp(moduleOf(Echo), { broker: a, group: 'g', messages: [Asked], onFatal: never });
  await app.listen();
  const client = await BusClient.open({ broker: b, owner: 'x', onFatal: never });
  out(`ready after ${Date.now() - t0}`);
  const seen = new Set<string>(); let all = 0;
  const sub = await a.consume({ group: 'f', topics: [FACTS.name], onFatal: never }, (r) => { seen.add(textOf(r)); all++; return Promise.resolve(); });
  await sub.ready;
  let stop = false; let ok = 0; const errors: string[] = []; let slowest = 0; let facts = 0; let gap = 0; let lastOk = Date.now();
  const unhealthy: number[] = [];
  const work = Array.from({ length: 4 }, async (_, w) => {
    while (!stop) {
      const t = Date.now();
      try { await client.ask(asked(`s${w}-${ok % 50}`, 1), Answered, 8000); ok++; gap = Math.max(gap, Date.now() - lastOk); lastOk = Date.now(); } catch (e) { errors.push(`${(e as Error).message}`); }
      slowest = Math.max(slowest, Date.now() - t);
      if (!b.healthy()) unhealthy.push(Date.now());
      await new Promise((r) => setTimeout(r, 3));
    }
  });
  const factWork = (async () => {
    while (!stop) {
      const id = String(facts);
      for (;;) { try { await b.send([record(FACTS, id, id)]); break; } catch (e) { errors.push('fact ' + (e as Error).message); } }
      facts++;
      await new Promise((r) => setTimeout(r, 3));
    }
  })();
  const phase = async (name: string, ms: number) => { ok = 0; slowest = 0; gap = 0; errors.length = 0; await new Promise((r) => setTimeout(r, ms)); out(`${name}: ok ${ok} slowest ${slowest} gap ${gap} errors ${errors.length} ${[...new Set(errors)].join('|').slice(0, 300)} unhealthy ${unhealthy.length}`); };
  await phase('before', 4000);
  process.kill(processes[Number(process.env['VICTIM'] ?? 0)]?.pid ?? 0, 'SIGKILL');
  await phase('killed', 15000);
  await phase('later', 8000);
  stop = true; await Promise.all([...work, factWork]);
  await until(() => seen.size === facts, 'facts', 20000).catch((e) => out(String(e)));
  out(`facts ${facts} seen ${seen.size} handled ${all}`);
  out([...logs].map(([k, v]) => `${v} ${k}`).join('\n').slice(0, 3000));
  t0 = Date.now();
  await app.close(); await client.close(); await a.close(); await b.close();
  out(`closed in ${Date.now() - t0}`);
});
