import { jest } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TOPICS } from '@countersign/contracts';
import { createBroker, type Broker } from '@countersign/messaging';
import {
  createSignerKey,
  formatVerifierKey,
  leafHash,
  parseSignerKey,
  signCheckpoint,
} from '@countersign/transparency-log';
import { TreeInMemory } from '../../libs/transparency-log/test/tree-in-memory.js';
import { openPython, run } from '../../test/python.js';
import { consumeOnce, type Report } from './consume.js';

jest.setTimeout(360_000);

const ORIGIN = 'log.example/audit';
const signer = parseSignerKey(createSignerKey(ORIGIN));
const logKey = formatVerifierKey(signer.verifier);
const brokers = (process.env['TEST_KAFKA_BROKERS'] ?? '').split(',');
const folder = mkdtempSync(join(tmpdir(), 'audit-consumer-'));
const valueOf = (index: number): Buffer => Buffer.from(`{"event":${index},"text":"ä"}`);

/** Copies and verifies once. */
type Consume = (name: string, topicPrefix: string, auditUrl?: string) => Promise<Report>;

let tiles: Server;
const logs = new Map<string, TreeInMemory>();
beforeAll(async () => {
  tiles = createServer((request, response) => {
    const [, log = '', path = ''] = /^\/([^/]+)\/(.*)$/.exec(request.url ?? '') ?? [];
    const tile = logs.get(log)?.tiles.get(path);
    response.writeHead(tile === undefined ? 404 : 200).end(tile);
  });
  await new Promise<void>((resolve) => tiles.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  tiles.closeAllConnections();
  tiles.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A log on topics of its own. */
class PublishedLog {
  readonly prefix = `consumer-${randomBytes(5).toString('hex')}.`;
  readonly tree = new TreeInMemory();
  readonly auditUrl = `http://127.0.0.1:${(tiles.address() as AddressInfo).port}/${this.prefix}`;
  readonly #broker: Broker = createBroker({ brokers, clientId: 'test', topicPrefix: this.prefix });

  static async open(): Promise<PublishedLog> {
    const log = new PublishedLog();
    logs.set(log.prefix, log.tree);
    await log.#broker.ensureTopics([TOPICS.auditEvents, TOPICS.auditCheckpoints]);
    return log;
  }

  /** Appends entries up to a size, and signs it. */
  async sign(size: number, key = signer): Promise<void> {
    const { size: from } = this.tree.tree;
    this.tree.append(Array.from({ length: size - from }, (_, at) => leafHash(valueOf(from + at))));
    const value = Buffer.from(signCheckpoint({ size, root: this.tree.tree.root() }, key));
    await this.#broker.send([{ topic: TOPICS.auditCheckpoints.name, key: ORIGIN, value, headers: {} }]);
  }

  /** In the given order, over several partitions. */
  async publish(indexes: readonly number[], valueFor = valueOf): Promise<void> {
    await this.#broker.send(
      indexes.map((index) => ({
        ...{ topic: TOPICS.auditEvents.name, key: `subject-${index % 7}`, value: valueFor(index) },
        headers: { ce_sequence: String(index), ce_id: `id-${index}` },
      })),
    );
  }

  close(): Promise<void> {
    return this.#broker.close();
  }
}

const from = (first: number, end: number): number[] => Array.from({ length: end - first }, (_, at) => first + at);
const whole = (verified: number, doubled = 0): Report => ({ verified, problems: [], doubled });

async function consumes(name: string, consume: Consume): Promise<void> {
  const log = await PublishedLog.open();
  try {
    // A restart continues where the last run stopped; doubled records change nothing.
    await log.publish([...from(0, 300), ...from(100, 120)]);
    await log.sign(300);
    expect(await consume(`${name}-a`, log.prefix)).toEqual(whole(300, 20));
    await log.publish(from(300, 611));
    await log.sign(400);
    await log.sign(611);
    expect(await consume(`${name}-a`, log.prefix)).toEqual(whole(611));
    expect(await consume(`${name}-a`, log.prefix)).toEqual(whole(611));

    // A lost record, which arrives later.
    await log.publish(from(611, 700).filter((index) => index !== 650 && index !== 690));
    await log.sign(700);
    expect(await consume(`${name}-a`, log.prefix)).toEqual({
      ...{ verified: 611, doubled: 0, problems: ['index 650 is missing: the log has 700 events'] },
    });
    await log.publish([650, 690]);
    expect(await consume(`${name}-a`, log.prefix)).toEqual(whole(700));

    // A changed record: the tiles show which one, and without them the checkpoints bound it.
    await log.publish(from(700, 800), (index) => (index === 777 ? Buffer.from('{"event":"other"}') : valueOf(index)));
    await log.sign(800);
    const problems = ['index 777 has other bytes than the log'];
    const changed = { verified: 700, doubled: 0, problems };
    expect(await consume(`${name}-a`, log.prefix, log.auditUrl)).toEqual(changed);
    expect((await consume(`${name}-a`, log.prefix)).problems).toEqual([
      'an event from index 700 to 799 has other bytes than the log',
    ]);
    // A new copy finds the same.
    expect(await consume(`${name}-b`, log.prefix, log.auditUrl)).toEqual({ ...changed, doubled: 20 });
    await log.publish([777]);
    expect((await consume(`${name}-a`, log.prefix)).problems[0]).toMatch(
      /^index 777 arrived again with other bytes, at /,
    );
  } finally {
    await log.close();
  }
  const forged = await PublishedLog.open();
  try {
    await forged.publish(from(0, 3));
    await forged.sign(3, parseSignerKey(createSignerKey(ORIGIN)));
    const { verified, problems } = await consume(`${name}-c`, forged.prefix);
    expect(verified).toBe(0);
    expect(problems).toEqual([expect.stringMatching(/^the checkpoint at .* is not signed by the log$/)]);
  } finally {
    await forged.close();
  }
}

describe('the example of a consumer of the audit log, over a real Apache Kafka', () => {
  it('in TypeScript copies the log, verifies it, names what is missing or changed, and continues after a restart', () =>
    consumes('ts', (name, topicPrefix, auditUrl) =>
      consumeOnce({
        brokers,
        topicPrefix,
        folder: join(folder, name),
        logKey,
        ...(auditUrl !== undefined && { auditUrl }),
      }),
    ));

  it('in Python does the same', async () => {
    const example = join(process.cwd(), 'examples', 'audit-consumer');
    const python = await openPython('audit-consumer-python', ['-r', join(example, 'requirements.txt')]);
    if ('missing' in python) {
      process.stderr.write(`NOT RUN: the example of a consumer in Python: ${python.missing}\n`);
      return;
    }
    await consumes('py', async (name, topicPrefix, auditUrl) => {
      const settings = { KAFKA_BROKERS: brokers.join(','), TOPIC_PREFIX: topicPrefix, LOG_KEY: logKey };
      const env = { PATH: process.env['PATH'] ?? '', PYTHONUTF8: '1', COPY_FILE: join(folder, name), ...settings };
      const { code, output } = await run(join(python.bin, 'python'), ['consumer.py'], {
        ...{ cwd: example, env: { ...env, ...(auditUrl !== undefined && { AUDIT_URL: auditUrl }) }, limitMs: 60_000 },
      });
      if (!output.startsWith('{')) throw new Error(output);
      const report = JSON.parse(output.split('\n')[0] ?? '') as Report;
      expect(code).toBe(report.problems.length === 0 ? 0 : 1);
      return report;
    });
  });
});
