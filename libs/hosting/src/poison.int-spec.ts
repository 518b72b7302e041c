import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { DEAD_LETTERS, message } from '@countersign/contracts';
import { type Broker, createBroker, type ConsumedRecord, toRecord } from '@countersign/messaging';
import { type Database, openDatabase, PostgresDeliveries } from '@countersign/persistence';
import { createTestDatabase, eventually } from '@countersign/testing';
import {
  BED_TOPIC,
  BedMigration1764000000000,
  type BedSettings,
  SCHEMA,
  WorkRequested,
} from '../test/poisoned-service.js';

jest.setTimeout(120_000);

const brokers = (process.env['TEST_KAFKA_BROKERS'] ?? '').split(',');
/** Long enough for the broker to end the session of a killed member. */
const LIMIT_MS = 30_000;

let settings: BedSettings;
let broker: Broker;
let database: Database;
let drop: () => Promise<void>;
let beds: Bed[];

/** The service of the test as a process. */
class Bed {
  output = '';
  readonly #child;
  readonly ended: Promise<string | null>;

  constructor() {
    const program = join(process.cwd(), 'build', 'libs', 'hosting', 'test', 'poisoned-service.js');
    const stdio = ['ignore', 'pipe', 'inherit'] as const;
    this.#child = spawn(process.execPath, [program, JSON.stringify(settings)], { stdio: [...stdio] });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    this.ended = new Promise((resolve) => this.#child.once('close', (_, signal) => resolve(signal)));
    beds.push(this);
  }

  begun(): string[] {
    return [...this.output.matchAll(/^begun (.+)$/gm)].map(([, word = '']) => word);
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.#child.kill(signal);
    await this.ended;
  }
}

const send = (words: readonly string[]): Promise<void> =>
  broker.send(words.map((word) => toRecord({ message: message(WorkRequested, { word }) })));

const holders = (): Promise<unknown[]> => database.query(`SELECT 1 FROM ${SCHEMA}.partition_holders`);

beforeEach(async () => {
  const test = await createTestDatabase();
  drop = () => test.drop();
  settings = { brokers, topicPrefix: `p${randomBytes(6).toString('hex')}.`, databaseUrl: test.url };
  database = await openDatabase({
    ...{ url: test.url, schema: SCHEMA, migrations: [BedMigration1764000000000], applicationName: 'test' },
    as: 'administrator',
  });
  broker = createBroker({ ...settings, clientId: 'test', partitions: 2 });
  beds = [];
  await broker.ensureTopics([BED_TOPIC, DEAD_LETTERS]);
});

afterEach(async () => {
  await Promise.all(beds.map((bed) => bed.stop('SIGKILL')));
  await broker.close();
  await database.close();
  await drop();
});

describe('a record that ends the process', () => {
  it('becomes a dead letter at the fourth start, and every other record is handled', async () => {
    const letters: ConsumedRecord[] = [];
    await broker.follow(
      DEAD_LETTERS.name,
      (read) => void letters.push(read),
      () => undefined,
    );
    const before = Array.from({ length: 20 }, (_, n) => `before-${n}`);
    const after = Array.from({ length: 20 }, (_, n) => `after-${n}`);
    await send([...before, 'poison', ...after]);
    for (let start = 1; start <= 3; start++) {
      const bed = new Bed();
      expect(await bed.ended).toBe('SIGKILL');
      expect(bed.begun().filter((word) => word === 'poison')).toHaveLength(1);
      expect(letters).toEqual([]);
    }
    const last = new Bed();
    const handled = (): string[] => beds.flatMap((bed) => bed.begun());
    await eventually(
      'every record is handled or dead',
      () => letters.length > 0 && [...before, ...after].every((word) => handled().includes(word)),
      LIMIT_MS,
    );
    expect(last.begun()).not.toContain('poison');
    expect(letters.map(({ headers }) => [headers['code'], headers['group']])).toEqual([['POISON', 'bed']]);
    // Both partitions continue: new records are handled after all suspected ones.
    const news = Array.from({ length: 10 }, (_, n) => `news-${n}`);
    await send(news);
    await eventually('the news is handled', () => news.every((word) => last.begun().includes(word)), LIMIT_MS);
    await last.stop('SIGTERM');
    expect(await holders()).toEqual([]);
    expect(await database.query(`SELECT 1 FROM ${SCHEMA}.deliveries`)).toEqual([]);
  });
});

describe('partitions', () => {
  it('are not quarantined after a graceful stop', async () => {
    const first = new Bed();
    await eventually('it is ready', () => first.output.includes('ready'), LIMIT_MS);
    expect(await holders()).toHaveLength(2);
    await first.stop('SIGTERM');
    expect(await holders()).toEqual([]);
  });

  it('pause while the database is unavailable, and no record is handled without being counted', async () => {
    const waits: unknown[] = [];
    const handled: string[] = [];
    await send(['one']);
    await database.query(`ALTER TABLE ${SCHEMA}.partition_holders RENAME TO away`);
    const poisonHandling = {
      deliveries: new PostgresDeliveries(database),
      onPoison: () => Promise.resolve(),
      onWaiting: (error: unknown) => void waits.push(error),
    };
    const options = {
      group: 'g',
      topics: [BED_TOPIC.name],
      poisonHandling,
      onFatal: (error: Error) => void waits.push(error),
    };
    await broker.consume(options, (record) => Promise.resolve(void handled.push(record.key)));
    await eventually('it has tried several times', () => waits.length >= 3, LIMIT_MS);
    expect(handled).toEqual([]);
    await database.query(`ALTER TABLE ${SCHEMA}.away RENAME TO partition_holders`);
    await eventually('the record is handled', () => handled.includes('one'), LIMIT_MS);
  });
});
