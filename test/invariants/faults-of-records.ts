import { randomUUID } from 'node:crypto';
import { DEAD_LETTERS, TOPICS } from '@countersign/contracts';
import { createBroker, type Broker, type BusRecord } from '@countersign/messaging';
import { eventually } from '@countersign/testing';
import { type Copy } from '../product.js';
import { verifiedSince, type Cell } from './measure.js';
import { forEach, times, type Fault } from './fault.js';
import { type GroupName } from './groups.js';

const HANDLED = [TOPICS.requests, TOPICS.admissions, TOPICS.subjectCommands, TOPICS.directoryCommands, TOPICS.facts];
/** With different keys, so that they reach several partitions of a topic. */
const RECORDS_PER_TOPIC = 4;
const DEAD_LETTER_LIMIT_MS = 30_000;
/** Four starts. Each waits until the session of the dead copy ends, and handles what came since its last commit one at a time. */
const DEATHS_LIMIT_MS = 240_000;
const MINUTE_MS = 60_000;
const POISONED = new URL('poison.mjs', import.meta.url).href;
const REWOUND: readonly GroupName[] = ['verification', 'audit', 'rate-limit', 'directory'];
const BEFORE_REWIND = 60;

export const POISON: Fault = {
  name: 'records that are no messages',
  short: true,
  run: (cell, { runs }) => times(runs, () => deadLettered(cell, unreadable)),
};

export const FROM_THE_FUTURE: Fault = {
  name: 'records of a future version',
  short: false,
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

/** Every record must become a dead letter, and its partition must continue, which the load shows. */
function deadLettered(cell: Cell, make: (topic: string) => BusRecord): Promise<void> {
  return withDeadLetters(cell, async (broker, lettersOf) => {
    const before = new Map(HANDLED.map(({ name }) => [name, lettersOf(name)]));
    for (const { name } of HANDLED) await broker.send(Array.from({ length: RECORDS_PER_TOPIC }, () => make(name)));
    for (const { name } of HANDLED) {
      const arrived = (): boolean => lettersOf(name) >= (before.get(name) ?? 0) + RECORDS_PER_TOPIC;
      await eventually(`a dead letter for each bad record of ${name}`, arrived, DEAD_LETTER_LIMIT_MS);
    }
  });
}

/** Writes to the bus as an unknown client, and counts the dead letters by the topic of the original record. */
async function withDeadLetters(
  { rig: { product } }: Cell,
  work: (broker: Broker, lettersOf: (topic: string) => number) => Promise<void>,
): Promise<void> {
  const broker = createBroker({
    brokers: product.brokers,
    clientId: 'unknown-client',
    topicPrefix: product.topicPrefix,
  });
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
    await work(broker, (topic) => {
      if (failure) throw failure;
      return letters.get(topic) ?? 0;
    });
  } finally {
    await broker.close();
  }
}

/** A message type that each service handles, so that the record reaches its handler. */
const HANDLED_BY: readonly { readonly service: GroupName; readonly topic: string; readonly type: string }[] = [
  { service: 'verification', topic: TOPICS.admissions.name, type: 'verification.admitted.v1' },
  { service: 'rate-limit', topic: TOPICS.requests.name, type: 'verification.requested.v1' },
  { service: 'audit', topic: TOPICS.facts.name, type: 'fact.recorded.v1' },
  { service: 'directory', topic: TOPICS.directoryCommands.name, type: 'tenant.change-requested.v1' },
];

export const DEADLY: Fault = {
  name: 'records that end the process',
  short: false,
  run: async (cell, { runs }) => {
    const done = await times(runs, async () => {
      for (const victim of HANDLED_BY) await diesOf(cell, victim);
    });
    return done * HANDLED_BY.length;
  },
};

/** A supervisor restarts the service after each death. After three deaths the record must become a dead letter. */
function diesOf(cell: Cell, { service, topic, type }: (typeof HANDLED_BY)[number]): Promise<void> {
  const { product } = cell.rig;
  const marker = `poison-${randomUUID()}`;
  const start = (): Copy => product.startCopy(service, { NODE_OPTIONS: `--import ${POISONED}`, POISON: marker });
  return withDeadLetters(cell, async (broker, lettersOf) => {
    const before = lettersOf(topic);
    for (const copy of product.running(service)) await product.stopCopy(copy);
    let copy = start();
    let deaths = 0;
    const value = Buffer.from(JSON.stringify({ marker }));
    await broker.send([{ topic, key: randomUUID(), value, headers: { id: randomUUID(), type } }]);
    const putAside = (): boolean => {
      if (copy.program.end?.signal === 'SIGKILL') {
        deaths++;
        copy = start();
      }
      return lettersOf(topic) > before;
    };
    await eventually(`${service} makes a fatal record a dead letter`, putAside, DEATHS_LIMIT_MS).catch(
      (error: unknown) => {
        throw new Error(`${(error as Error).message}; it died ${deaths} times`);
      },
    );
    cell.note(`${service} died ${deaths} times of one record`);
    await product.addCopy(service);
    await product.stopCopy(copy);
  });
}

export const REDELIVERED: Fault = {
  name: 'redelivery of the last minute',
  short: true,
  run: async (cell, { full, runs }) => {
    const groups = full ? REWOUND : REWOUND.slice(0, 2);
    // In the short form at the same time, because each waits for a stop, a start and its group.
    const done = await times(runs, () => forEach(groups, full ? 1 : groups.length, (group) => redeliver(cell, group)));
    return done * groups.length;
  },
};

async function redeliver({ rig, load }: Cell, group: GroupName): Promise<void> {
  const { product, groups } = rig;
  const since = Date.now();
  const enough = (): boolean => verifiedSince(load.requests, since) >= BEFORE_REWIND;
  await eventually('there is something to deliver again', enough, MINUTE_MS);
  const others = await rig.ledger.attempts();
  for (const copy of product.running(group)) await product.stopCopy(copy);
  await groups.rewind(group, Date.now() - MINUTE_MS);
  await product.addCopy(group);
  await eventually('the group has caught up', async () => (await groups.lag()) < BEFORE_REWIND, MINUTE_MS);
  const now = new Map((await rig.ledger.attempts()).map((row) => [row.attempt_id, row.outcome]));
  for (const { attempt_id: id, outcome } of others) {
    if (outcome !== null && now.get(id) !== outcome) throw new Error(`attempt ${id} was ${outcome}, is ${now.get(id)}`);
  }
}
