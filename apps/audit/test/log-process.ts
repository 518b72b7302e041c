/**
 * Adds facts to the log and publishes them, in a process of its own that a test kills:
 * `node build/apps/audit/test/log-process.js <database URL> <folder> <origin> [KILL_AT [KILL_LIST]]`. Files of the folder stand
 * for Kafka: `facts` has one fact a line, `offset` the lines that need not be delivered again, `topic` the published events.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openDatabase, OutboxRelay } from '@countersign/persistence';
import { AUDIT_MIGRATIONS } from '../migrations/index.js';
import { EVENT_SOURCE } from '../src/log/event-source.js';
import { PostgresLogSequencer } from '../src/log/log-sequencer.store.js';
import { type TrailEntry } from '../src/trail/trail.ports.js';

/** Facts and records of a batch. */
const BATCH_SIZE = 20;
const PUBLISH = 'publish';

const [, , url = '', folder = '', origin = '', killAt = '', killList = ''] = process.argv;
let hits = 0;

/** As test/invariants/kill-points.mjs, which names the statements: this process has no Kafka client that it could watch. */
function dieAt(when: 'before' | 'after'): void {
  const [, at, hit, point] = /^(before|after):(\d+):(.*)$/.exec(killAt) ?? [];
  if (when === 'before' && killList !== '') appendFileSync(killList, `${PUBLISH}\n`);
  if (when === 'before') hits++;
  if (point === PUBLISH && at === when && hits === Number(hit)) process.kill(process.pid, 'SIGKILL');
}

const database = await openDatabase({ url, schema: 'audit', migrations: AUDIT_MIGRATIONS, applicationName: 'log' });
const relay = new OutboxRelay({
  ...{ database, source: EVENT_SOURCE, batchSize: BATCH_SIZE, lingerMs: 0, pollMs: 20 },
  onError: (error) => process.stderr.write(`${String(error)}\n`),
  send: (records) => {
    dieAt('before');
    const lines = records.map(({ headers, value }) => `${headers['ce_sequence']} ${value.toString('base64')}\n`);
    appendFileSync(join(folder, 'topic'), lines.join(''));
    dieAt('after');
    return Promise.resolve();
  },
});
const sequencer = new PostgresLogSequencer(database, origin);
relay.start();
const offsetFile = join(folder, 'offset');
const lines = readFileSync(join(folder, 'facts'), 'utf8').trim().split('\n');
const offset = existsSync(offsetFile) ? Number(readFileSync(offsetFile, 'utf8')) : 0;
for (let next = offset; next < lines.length; next += BATCH_SIZE) {
  const facts = lines.slice(next, next + BATCH_SIZE).map((line) => {
    const fact = JSON.parse(line) as TrailEntry & { readonly value: string };
    return { ...fact, value: Buffer.from(fact.value) };
  });
  await sequencer.sequence(BATCH_SIZE, facts);
  relay.wake();
  writeFileSync(offsetFile, String(Math.min(lines.length, next + BATCH_SIZE)));
}
while ((await relay.pending()) > 0) await pause(10);
await relay.close();
await database.close();
