/**
 * Sequences and publishes everything that waits, in a process of its own that a test kills:
 * `node build/apps/audit/test/log-process.js <database URL> <file that stands for the topic> <origin> [KILL_AT [KILL_LIST]]`.
 */
import { appendFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { openDatabase, OutboxRelay } from '@countersign/persistence';
import { AUDIT_MIGRATIONS } from '../migrations/index.js';
import { EVENT_SOURCE } from '../src/log/event-source.js';
import { PostgresLogSequencer } from '../src/log/log-sequencer.store.js';

/** Facts and records of a batch. */
const BATCH_SIZE = 20;
const PUBLISH = 'publish';

const [, , url = '', topic = '', origin = '', killAt = '', killList = ''] = process.argv;
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
    appendFileSync(topic, lines.join(''));
    dieAt('after');
    return Promise.resolve();
  },
});
const sequencer = new PostgresLogSequencer(database, origin);
relay.start();
while ((await sequencer.sequence(BATCH_SIZE)).taken > 0) relay.wake();
while ((await relay.pending()) > 0) await pause(10);
await relay.close();
await database.close();
