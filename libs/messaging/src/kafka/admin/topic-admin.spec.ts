import { DEAD_LETTERS, TOPICS, type TopicSpec } from '@countersign/contracts';
import { configOf, defaultsOf } from './topic-admin.js';
import { TopicNames } from './topic-names.js';

const HOUR_MS = 3_600_000;

describe('a new topic', () => {
  const defaults = defaultsOf({ brokers: [], clientId: 'test', storedFactRetentionMs: 168 * HOUR_MS });
  const retentionOf = (topic: TopicSpec): string | undefined =>
    configOf(topic, new TopicNames(''), defaults).configEntries?.find(({ name }) => name === 'retention.ms')?.value;

  it('keeps facts that audit stores for hours, and events, dead letters and checkpoints for ever', () => {
    expect(retentionOf(TOPICS.facts)).toBe(String(168 * HOUR_MS));
    for (const topic of [TOPICS.auditEvents, TOPICS.auditCheckpoints, DEAD_LETTERS])
      expect(retentionOf(topic)).toBe('-1');
  });
});
