import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { openDatabase, OutboxRelay, type Database } from '@countersign/persistence';
import { processorMs, startPostgres } from '@countersign/testing';
import { CompactRange, leafHash } from '@countersign/transparency-log';
import { AUDIT_MIGRATIONS } from '../../apps/audit/migrations/index.js';
import { EVENT_SOURCE } from '../../apps/audit/src/log/event-source.js';
import { PostgresLogSequencer } from '../../apps/audit/src/log/log-sequencer.store.js';
import { PostgresAuditTrail } from '../../apps/audit/src/trail/audit-trail.store.js';
import { type TrailEntry } from '../../apps/audit/src/trail/trail.ports.js';
import { closingAll } from '../lifetime.js';
import { options } from '../options.js';
import { keep, row, say } from '../report.js';

/**
 * The audit log over a durable PostgreSQL: events per second into the log (entries, tiles and tree heads), the delay
 * from the fact to the publisher under a steady rate, and the rate of verification of leaves.
 */
const given = options({
  events: '60000',
  batch: '1024',
  bytes: '900',
  rate: '500',
  seconds: '10',
  leaves: '500000',
});
const [events, batch, bytes] = [Number(given.events), Number(given.batch), Number(given.bytes)];

const entries = (count: number): TrailEntry[] =>
  Array.from({ length: count }, (_, at) => ({
    ...{
      eventId: randomUUID(),
      kind: 'attempt.decided',
      tenant: `tenant-${at % 20}`,
      subject: `subject-${at % 5_000}`,
    },
    ...{ callId: `call-${at}`, time: new Date().toISOString(), value: Buffer.alloc(bytes, randomUUID()) },
    ...{ partitionKey: `tenant-${at % 20}:subject-${at % 5_000}`, ocsfVersion: '1.8.0', traceparent: undefined },
    counted: { variant: 'verified', count: 1 },
  }));

/** Wall and processor time of some work. The process includes PostgreSQL, which is its child. */
async function timed(work: () => Promise<unknown>): Promise<{ seconds: number; processorSeconds: number }> {
  const [began, before] = [performance.now(), processorMs(process.pid) ?? NaN];
  await work();
  const after = processorMs(process.pid) ?? NaN;
  return { seconds: (performance.now() - began) / 1000, processorSeconds: (after - before) / 1000 };
}

async function fill(database: Database): Promise<{ seconds: number; processorSeconds: number }> {
  const sequencer = new PostgresLogSequencer(database, 'bench.example/log');
  const waiting = entries(events);
  return timed(async () => {
    for (let at = 0; at < events; at += batch) await sequencer.sequence(batch, waiting.slice(at, at + batch));
  });
}

/** @returns delays from the append of a fact until its record is handed to the broker, in milliseconds, in order */
async function delays(database: Database): Promise<number[]> {
  const appendedAt = new Map<string, number>();
  const found: number[] = [];
  const relay = new OutboxRelay({
    ...{ database, source: EVENT_SOURCE, lingerMs: 0, onError: (error) => say(String(error)) },
    send: (records) => {
      const now = performance.now();
      for (const { headers } of records) {
        const at = appendedAt.get(headers['ce_id'] ?? '');
        if (at !== undefined) found.push(now - at);
      }
      return Promise.resolve();
    },
  });
  const sequencer = new PostgresLogSequencer(database, 'bench.example/log');
  const trail = new PostgresAuditTrail(sequencer, { onAppended: () => relay.wake() });
  relay.start();
  const [perTick, ticks] = [Number(given.rate) / 100, Number(given.seconds) * 100];
  const began = performance.now();
  const appended: Promise<void>[] = [];
  for (let tick = 0; tick < ticks; tick++) {
    await pause(Math.max(0, began + tick * 10 - performance.now()));
    for (const entry of entries(Math.floor((tick + 1) * perTick) - Math.floor(tick * perTick))) {
      appendedAt.set(entry.eventId, performance.now());
      appended.push(trail.append(entry));
    }
  }
  await Promise.all(appended);
  await relay.close();
  if (found.length < appendedAt.size) throw new Error(`${appendedAt.size - found.length} events were not published`);
  return found.sort((a, b) => a - b);
}

function verify(): { seconds: number; processorSeconds: number } {
  const values = entries(Math.min(Number(given.leaves), 10_000)).map(({ value }) => value);
  const cpu = process.cpuUsage();
  const began = performance.now();
  const range = CompactRange.empty();
  for (let at = 0; at < Number(given.leaves); at++) range.append(leafHash(values[at % values.length]!));
  range.root();
  const { user, system } = process.cpuUsage(cpu);
  return { seconds: (performance.now() - began) / 1000, processorSeconds: (user + system) / 1e6 };
}

let filled = { seconds: NaN, processorSeconds: NaN };
let delay: number[] = [];
await closingAll(async (onClose) => {
  const postgres = await startPostgres({ durable: true });
  onClose(() => postgres.close());
  const admin = { url: postgres.url, schema: 'audit', migrations: AUDIT_MIGRATIONS, applicationName: 'bench' };
  const database = await openDatabase({ ...admin, poolSize: 6 });
  onClose(() => database.close());
  say(`${events} events into the log…`);
  filled = await fill(database);
  // The publisher begins with the events of the steady rate.
  await database.query('UPDATE audit.publish_cursor SET next_idx = (SELECT size FROM audit.log_state)');
  say(`${given.rate} events per second for ${given.seconds} s…`);
  delay = await delays(database);
});
const verified = verify();
const at = (share: number): number => delay[Math.min(delay.length - 1, Math.floor(delay.length * share))] ?? NaN;
const leaves = Number(given.leaves);
const result = {
  at: new Date().toISOString(),
  ...{ events, batch, bytes, filled, eventsPerSecond: events / filled.seconds },
  eventsPerProcessorSecond: events / filled.processorSeconds,
  delayMs: { p50: at(0.5), p99: at(0.99), max: at(1), ratePerSecond: Number(given.rate) },
  leavesPerSecond: leaves / verified.seconds,
  leavesPerProcessorSecond: leaves / verified.processorSeconds,
};
process.stdout.write(
  `${[
    '',
    row('events per second into the log', result.eventsPerSecond.toFixed(0)),
    row('events per second of processor time (service and PostgreSQL)', result.eventsPerProcessorSecond.toFixed(0)),
    row(
      `ms from fact to publisher at ${given.rate}/s, p50 / p99 / most`,
      [at(0.5), at(0.99), at(1)].map((ms) => ms.toFixed(0)).join(' / '),
    ),
    row('leaves verified per second', result.leavesPerSecond.toFixed(0)),
    row('leaves verified per second of processor time', result.leavesPerProcessorSecond.toFixed(0)),
  ].join('\n')}\n`,
);
keep('log', result);
