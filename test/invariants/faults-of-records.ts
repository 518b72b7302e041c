import { randomUUID } from 'node:crypto';
import { DEAD_LETTERS, TOPICS } from '@countersign/contracts';
import { createBroker, type BusRecord } from '@countersign/messaging';
import { eventually } from '@countersign/testing';
import { verifiedSince, type Cell } from './measure.js';
import { times, type Fault } from './fault.js';
import { type GroupName } from './groups.js';

const HANDLED = [TOPICS.requests, TOPICS.admissions, TOPICS.subjectCommands, TOPICS.directoryCommands, TOPICS.facts];
/** Keys that differ reach all partitions of a topic in the end. */
const RECORDS_PER_TOPIC = 4;
const DEAD_LETTER_LIMIT_MS = 30_000;
const MINUTE_MS = 60_000;
const REWOUND: readonly GroupName[] = ['verification', 'rate-limit', 'audit', 'directory'];
const BEFORE_REWIND = 150;

export const POISON: Fault = {
  name: 'records that are no messages',
  short: true,
  run: (cell, { runs }) => times(runs, () => deadLettered(cell, unreadable)),
};

export const FROM_THE_FUTURE: Fault = {
  name: 'records of a future version',
  short: true,
  run: (cell, { runs }) => times(runs, () => deadLettered(cell, ofNextVersion)),
};

function unreadable(topic: string): BusRecord {
  return { topic, key: randomUUID(), value: Buffer.from([0xff, 0xfe, 0x00, 0x7b]), headers: { id: randomUUID() } };
}

const NEXT_VERSIONS: Readonly<Record<string, string>> = {
  [TOPICS.requests.name]: 'verification.requested.v2',
  [TOPICS.admissions.name]: 'verification.admitted.v2',
  [TOPICS.subjectCommands.name]: 'subject.change-requested.v2',
  [TOPICS.directoryCommands.name]: 'tenant.change-requested.v2',
  [TOPICS.facts.name]: 'fact.recorded.v2',
};

function ofNextVersion(topic: string): BusRecord {
  const headers = { id: randomUUID(), type: NEXT_VERSIONS[topic] ?? '' };
  return { topic, key: randomUUID(), value: Buffer.from(JSON.stringify({ new: true })), headers };
}

/** Each must be put aside with a note, and its partition must go on: that the load shows. */
async function deadLettered({ stand: { product } }: Cell, make: (topic: string) => BusRecord): Promise<void> {
  const broker = createBroker({ brokers: product.brokers, clientId: 'stranger', topicPrefix: product.topicPrefix });
  try {
    const letters = new Map<string, number>();
    let failure: Error | undefined;
    const follower = await broker.follow(
      DEAD_LETTERS.name,
      ({ headers }) => {
        const topic = headers['original-topic'] ?? '';
        letters.set(topic, (letters.get(topic) ?? 0) + 1);
      },
      (error) => (failure = error),
    );
    await follower.caughtUp;
    const before = new Map(letters);
    for (const { name } of HANDLED) await broker.send(Array.from({ length: RECORDS_PER_TOPIC }, () => make(name)));
    for (const { name } of HANDLED) {
      const arrived = (): boolean => {
        if (failure) throw failure;
        return (letters.get(name) ?? 0) >= (before.get(name) ?? 0) + RECORDS_PER_TOPIC;
      };
      await eventually(`a dead letter for each bad record of ${name}`, arrived, DEAD_LETTER_LIMIT_MS);
    }
  } finally {
    await broker.close();
  }
}

export const REDELIVERED: Fault = {
  name: 'redelivery of the last minute',
  short: true,
  run: async (cell, { full, runs }) => {
    const groups = full ? REWOUND : REWOUND.slice(0, 3);
    const done = await times(runs, async () => {
      for (const group of groups) await redeliver(cell, group);
    });
    return done * groups.length;
  },
};

async function redeliver({ stand, load }: Cell, group: GroupName): Promise<void> {
  const { product, groups } = stand;
  const since = Date.now();
  const enough = (): boolean => verifiedSince(load.asked, since) >= BEFORE_REWIND;
  await eventually('there is something to deliver again', enough, MINUTE_MS);
  const others = await stand.ledger.attempts();
  for (const copy of product.running(group)) await product.retire(copy);
  await groups.rewind(group, Date.now() - MINUTE_MS);
  await product.add(group);
  await eventually('the group has caught up', async () => (await groups.lag()) < BEFORE_REWIND, MINUTE_MS);
  const now = new Map((await stand.ledger.attempts()).map((row) => [row.attempt_id, row.outcome]));
  for (const { attempt_id: id, outcome } of others) {
    if (outcome !== null && now.get(id) !== outcome) throw new Error(`attempt ${id} was ${outcome}, is ${now.get(id)}`);
  }
}
