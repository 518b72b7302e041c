import { randomBytes } from 'node:crypto';
import { type TopicSpec } from '@countersign/contracts';
import { jest } from '@jest/globals';
import { Kafka, logLevel } from 'kafkajs';
import { KafkaBroker } from '../kafka-broker.js';
import { type KafkaOptions } from '../kafka-client.js';

jest.setTimeout(60_000);

const brokers = (process.env['TEST_KAFKA_BROKERS'] ?? '').split(',');
const COMMANDS: TopicSpec = { name: 'test.commands', kind: 'command' };
const FACTS: TopicSpec = { name: 'test.facts', kind: 'fact' };
const STATE: TopicSpec = { name: 'test.state', kind: 'state' };
const LOG: TopicSpec = { name: 'test.log', kind: 'log' };
const ALL = [COMMANDS, FACTS, STATE, LOG];
const DAY_MS = 86_400_000;

describe('KafkaBroker.ensureTopics', () => {
  let topicPrefix: string;
  beforeEach(() => (topicPrefix = `t${randomBytes(6).toString('hex')}.`));

  /**
   * Ensures the topics as a service with these settings does.
   * @returns the lines that it logs about topics
   */
  const ensure = async (options: Partial<KafkaOptions> = {}, times = 1): Promise<string[]> => {
    const lines: string[] = [];
    const log = (line: string): void => void lines.push(line);
    const broker = new KafkaBroker({ brokers, clientId: 'topics', topicPrefix, log, ...options });
    for (let n = 0; n < times; n++) await broker.ensureTopics(ALL);
    await broker.close();
    return lines.filter((line) => line.startsWith('topic '));
  };

  const described = async (topic: string): Promise<Record<string, string | number>> => {
    const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    const name = topicPrefix + topic;
    const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: 2, name }] });
    const { topics } = await admin.fetchTopicMetadata({ topics: [name] });
    await admin.disconnect();
    const entries = resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]) ?? [];
    return {
      ...(Object.fromEntries(entries) as Record<string, string>),
      partitions: topics[0]?.partitions.length ?? 0,
    };
  };

  it('logs nothing when services that start at once create the same topics', async () => {
    const lines: string[] = [];
    const log = (line: string): void => void lines.push(line);
    const services = Array.from(
      { length: 6 },
      () => new KafkaBroker({ brokers, clientId: 'topics', topicPrefix, log }),
    );
    await Promise.all(services.map((service) => service.ensureTopics(ALL)));
    const during = [...lines];
    await Promise.all(services.map((service) => service.close()));
    expect(during.filter((line) => line.includes('Response'))).toEqual([]);
  });

  it('by default keeps commands for ten minutes and facts forever', async () => {
    expect(await ensure()).toEqual([]);
    expect(await described(COMMANDS.name)).toMatchObject({
      'retention.ms': '600000',
      'segment.ms': '60000',
      partitions: 6,
    });
    expect(await described(FACTS.name)).toMatchObject({ 'retention.ms': '-1', partitions: 6 });
    expect(await described(STATE.name)).toMatchObject({ 'cleanup.policy': 'compact', partitions: 1 });
  });

  it('creates topics with the configured retention and partitions, in segments short enough to expire in time', async () => {
    await ensure({ commandRetentionMs: 60_000, factRetentionMs: 365 * DAY_MS, partitions: 2 });
    expect(await described(COMMANDS.name)).toMatchObject({
      'retention.ms': '60000',
      'segment.ms': '6000',
      partitions: 2,
    });
    expect(await described(FACTS.name)).toMatchObject({
      ...{ 'retention.ms': String(365 * DAY_MS), 'segment.ms': String(7 * DAY_MS), partitions: 2 },
    });
    expect(await described(STATE.name)).toMatchObject({ partitions: 1 });
    expect(await described(LOG.name)).toMatchObject({
      'cleanup.policy': 'delete',
      'retention.ms': '-1',
      partitions: 1,
    });
  });

  it('does not change existing topics, and logs each difference from the settings once', async () => {
    await ensure();
    expect(await ensure()).toEqual([]);
    const lines = await ensure({ commandRetentionMs: 120_000, factRetentionMs: DAY_MS, partitions: 3 }, 2);
    expect(lines.toSorted()).toEqual([
      `topic ${topicPrefix}test.commands has 6 partitions, a new one would have 3; it is left as it is`,
      `topic ${topicPrefix}test.commands has retention.ms=600000, a new one would have 120000; it is left as it is`,
      `topic ${topicPrefix}test.facts has 6 partitions, a new one would have 3; it is left as it is`,
      `topic ${topicPrefix}test.facts has retention.ms=-1, a new one would have 86400000; it is left as it is`,
    ]);
    expect(await described(COMMANDS.name)).toMatchObject({ 'retention.ms': '600000', partitions: 6 });
  });
});
