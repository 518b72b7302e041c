import { Kafka, logLevel, type Consumer } from 'kafkajs';
import { LogCopy } from './copy.js';
import { openCheckpoint, type Checkpoint, type CompactTree } from './merkle.js';

export interface ConsumeOptions {
  readonly brokers: readonly string[];
  /** `TOPIC_PREFIX` of the installation. */
  readonly topicPrefix?: string;
  /** Folder of the copy. */
  readonly folder: string;
  /** The public key of the log, from the operator: `name+hash+base64`. */
  readonly logKey: string;
  /** Address of the audit service. Its public tiles show which event differs; without it, only between which checkpoints. */
  readonly auditUrl?: string;
}

/** What a run has found. */
export interface Report {
  /** Events that were verified by a checkpoint. */
  readonly verified: number;
  /** The first problem of each kind, in words; empty: the copy is whole. */
  readonly problems: readonly string[];
  /** Events that arrived again. */
  readonly doubled: number;
}

const TILE_WIDTH = 256;

/**
 * Copies the events that the topics have now, and verifies the copy against every checkpoint. Run it again, by a timer or in a
 * loop: it continues where it stopped.
 */
export async function consumeOnce(options: ConsumeOptions): Promise<Report> {
  const { brokers, topicPrefix = '', folder, logKey } = options;
  const topics = {
    events: `${topicPrefix}countersign.audit.events`,
    checkpoints: `${topicPrefix}countersign.audit.checkpoints`,
  };
  const kafka = new Kafka({ brokers: [...brokers], clientId: 'audit-consumer', logLevel: logLevel.ERROR });
  const copy = new LogCopy(folder);
  const problems: string[] = [];
  const checkpoints: Checkpoint[] = [];
  let doubled = 0;
  try {
    // The checkpoints first. The log publishes an event within a second after it is signed, so run again if one is missing.
    await readTopic(kafka, topics.checkpoints, copy.offsets, (value, _headers, at) => {
      const checkpoint = openCheckpoint(value, logKey);
      if (checkpoint === undefined) problems.push(`the checkpoint at ${at} is not signed by the log`);
      else checkpoints.push(checkpoint);
    });
    await readTopic(kafka, topics.events, copy.offsets, (value, headers, at) => {
      const index = String(headers['ce_sequence'] ?? '');
      if (!/^(0|[1-9]\d{0,14})$/.test(index)) return void problems.push(`the event at ${at} has no index`);
      const added = copy.add(Number(index), value);
      if (added === 'doubled') doubled++;
      if (added === 'different') problems.push(`index ${index} arrived again with other bytes, at ${at}`);
    });
    for (const [at, checkpoint] of checkpoints.entries()) {
      const problem =
        checkpoint.size < (checkpoints[at - 1]?.size ?? 0)
          ? `the log was rolled back: a checkpoint with ${checkpoint.size} events follows one with ${checkpoints[at - 1]?.size}`
          : await verifyCopy(copy, checkpoint, options.auditUrl);
      if (problem === undefined) continue;
      problems.push(problem);
      break;
    }
    // A checkpoint that the copy does not agree with is verified again in the next run.
    if (problems.length > 0)
      for (const key of Object.keys(copy.offsets))
        if (key.startsWith(`${topics.checkpoints}/`)) delete copy.offsets[key];
    copy.save();
    return { verified: copy.verified.size, problems, doubled };
  } finally {
    copy.close();
  }
}

/** @returns the first problem; undefined: the copy agrees with the checkpoint */
async function verifyCopy(copy: LogCopy, { size, root }: Checkpoint, auditUrl?: string): Promise<string | undefined> {
  const { verified } = copy;
  // A smaller one was verified in an earlier run.
  if (size < verified.size) return undefined;
  const tree = verified.copy();
  while (tree.size < size) {
    const leaf = copy.leaf(tree.size);
    if (leaf === undefined) return `index ${tree.size} is missing: the log has ${size} events`;
    tree.append(leaf);
  }
  if (tree.root().equals(root)) {
    copy.verified = tree;
    return undefined;
  }
  const wrong = auditUrl === undefined ? undefined : await firstWrong(copy, verified, { size, root }, auditUrl);
  return wrong === undefined
    ? `an event from index ${verified.size} to ${size - 1} has other bytes than the log`
    : `index ${wrong} has other bytes than the log`;
}

/** Compares the copy with the hashes in the tiles of the log, which count only if they have the signed root. */
async function firstWrong(
  copy: LogCopy,
  verified: CompactTree,
  { size, root }: Checkpoint,
  auditUrl: string,
): Promise<number | undefined> {
  const tree = verified.copy();
  let wrong: number | undefined;
  for (let tile = Math.floor(tree.size / TILE_WIDTH); tree.size < size; tile++) {
    const width = Math.min(TILE_WIDTH, size - tile * TILE_WIDTH);
    const answer = await fetch(`${auditUrl}/tile/0/${tilePath(tile)}${width === TILE_WIDTH ? '' : `.p/${width}`}`);
    if (!answer.ok) return undefined;
    const hashes = Buffer.from(await answer.arrayBuffer());
    while (tree.size < tile * TILE_WIDTH + width) {
      const at = (tree.size % TILE_WIDTH) * 32;
      const leaf = hashes.subarray(at, at + 32);
      if (wrong === undefined && copy.leaf(tree.size)?.equals(leaf) !== true) wrong = tree.size;
      tree.append(leaf);
    }
  }
  return tree.root().equals(root) ? wrong : undefined;
}

/** The number of a tile in its path: groups of three digits, all but the last after an `x`. */
export function tilePath(tile: number): string {
  const digits = String(tile).padStart(Math.ceil(String(tile).length / 3) * 3, '0');
  const groups = digits.match(/\d{3}/g) ?? [];
  return [...groups.slice(0, -1).map((group) => `x${group}`), ...groups.slice(-1)].join('/');
}

type OnRecord = (value: Buffer, headers: Readonly<Record<string, unknown>>, at: string) => void;

/** Reads a topic from the offsets to its present end, and moves the offsets. */
async function readTopic(
  kafka: Kafka,
  topic: string,
  offsets: Record<string, string>,
  onRecord: OnRecord,
): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  const ends = await admin.fetchTopicOffsets(topic).finally(() => admin.disconnect());
  const remaining = new Map<number, bigint>();
  for (const { partition, low, high } of ends) {
    const from = (offsets[`${topic}/${partition}`] ??= low);
    if (BigInt(from) < BigInt(high)) remaining.set(partition, BigInt(high));
  }
  if (remaining.size === 0) return;
  // The offsets are kept with the copy, so the group has no meaning, and needs no name that lasts.
  const consumer: Consumer = kafka.consumer({ groupId: `audit-consumer-${process.pid}-${Date.now()}` });
  try {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      // kafkajs restarts by itself after a fault that passes.
      consumer.on(consumer.events.CRASH, ({ payload }) => {
        if (!payload.restart) reject(payload.error);
      });
      const run = consumer.run({
        autoCommit: false,
        eachBatch: ({ batch, resolveOffset }) => {
          const { partition } = batch;
          const end = remaining.get(partition) ?? 0n;
          for (const { offset, value, headers = {} } of batch.messages) {
            if (BigInt(offset) >= end || BigInt(offset) < BigInt(offsets[`${topic}/${partition}`] ?? 0)) continue;
            onRecord(value ?? Buffer.alloc(0), headers, `${topic}/${partition}, offset ${offset}`);
            offsets[`${topic}/${partition}`] = String(BigInt(offset) + 1n);
            resolveOffset(offset);
          }
          if (BigInt(batch.lastOffset()) + 1n >= end) remaining.delete(partition);
          if (remaining.size === 0) resolve();
          return Promise.resolve();
        },
      });
      run.catch(reject);
      for (const { partition } of ends) consumer.seek({ topic, partition, offset: offsets[`${topic}/${partition}`]! });
    });
  } finally {
    await consumer.disconnect();
  }
}
