/** How a topic is created. Every service creates the topics that it uses before it subscribes to any. */
export interface TopicSpec {
  readonly name: string;
  /**
   * `command`: minutes of retention, a requester waits. `fact`: long retention, nothing may be lost. `log`: one partition,
   * never deleted. `state`: one partition, compacted.
   */
  readonly kind: 'command' | 'fact' | 'log' | 'state';
  /** Of facts: a consumer stores what it has read, so records are kept for a short time, `FACTS_RETENTION_HOURS`. */
  readonly isStored?: true;
}

/** Whether every installation creates the topic with one partition, whatever `TOPIC_PARTITIONS` says. */
export function hasOnePartition({ kind }: TopicSpec): boolean {
  return kind === 'log' || kind === 'state';
}

export const TOPICS = {
  requests: { name: 'verification.requests', kind: 'command' },
  admissions: { name: 'verification.admissions', kind: 'command' },
  subjectCommands: { name: 'subject.commands', kind: 'command' },
  queries: { name: 'verification.queries', kind: 'command' },
  directoryCommands: { name: 'directory.commands', kind: 'command' },
  apiKeyUses: { name: 'api-key.uses', kind: 'command' },
  limitCommands: { name: 'limit.commands', kind: 'command' },
  webhookCommands: { name: 'webhook.commands', kind: 'command' },
  directory: { name: 'countersign.directory', kind: 'state' },
  tenantErasures: { name: 'tenant.erasures', kind: 'command' },
  directoryCaches: { name: 'directory.caches', kind: 'command' },
  facts: { name: 'countersign.facts', kind: 'fact', isStored: true },
  attemptReports: { name: 'attempts.reports', kind: 'fact', isStored: true },
  auditEvents: { name: 'countersign.audit.events', kind: 'fact' },
  /** Signed checkpoints of the audit log: the key is the origin, the value the signed note. */
  auditCheckpoints: { name: 'countersign.audit.checkpoints', kind: 'log' },
} as const satisfies Record<string, TopicSpec>;

/** The topic that takes what a consumer group could not handle. */
export const DEAD_LETTERS: TopicSpec = { name: 'countersign.dead-letters', kind: 'fact' };

/** A process writes a record here before it consumes commands, and learns the time from the timestamp of the broker. */
export const CLOCK: TopicSpec = { name: 'countersign.clock', kind: 'command' };

/** Replies have no fixed topic: the requester gives its reply address in the header `reply-to`. */
export const REPLY = '';

/** Who writes to a topic, who reads it, and which records keep their order. docs/operations.md shows it. */
export const TOPIC_DESCRIPTIONS = {
  'verification.requests': { from: 'adapters', to: 'rate-limit', key: 'tenant and subject reference, or call' },
  'verification.admissions': { from: 'rate-limit', to: 'verification', key: 'tenant and subject reference' },
  'verification.queries': { from: 'adapters', to: 'verification', key: 'tenant and call, or the query' },
  'subject.commands': { from: 'rest-adapter', to: 'verification', key: 'tenant and subject' },
  'directory.commands': { from: 'rest-adapter', to: 'directory', key: 'tenant' },
  'api-key.uses': { from: 'rest-adapter, audit', to: 'directory', key: 'tenant' },
  'tenant.erasures': { from: 'rate-limit, verification, webhooks', to: 'directory', key: 'tenant' },
  'directory.caches': { from: 'every copy of the directory', to: 'directory', key: 'copy of the directory' },
  'limit.commands': { from: 'rest-adapter, verification', to: 'rate-limit', key: 'tenant' },
  'webhook.commands': { from: 'rest-adapter', to: 'webhooks', key: 'tenant' },
  'countersign.directory': {
    from: 'directory',
    to: 'adapters, rate-limit, verification, webhooks, audit',
    key: '`tenant/…`, `agent/…` or `key/…`',
  },
  'countersign.facts': { from: 'adapters, outboxes', to: 'audit', key: 'tenant and subject or agent' },
  'attempts.reports': { from: 'verification', to: 'audit', key: 'one for all' },
  'countersign.audit.events': {
    from: 'audit',
    to: 'webhooks, consumers of events',
    key: 'tenant and subject or agent',
  },
  'countersign.audit.checkpoints': { from: 'log-signer', to: 'audit, consumers of events', key: 'origin of the log' },
  'countersign.dead-letters': { from: 'every consumer', to: 'audit, operators', key: 'topic and partition' },
  'countersign.clock': { from: 'every consumer', to: 'none: only the timestamp is used', key: 'none' },
  'replies.<adapter>.<id>': { from: 'the service that answers', to: 'one adapter process', key: 'command' },
} as const satisfies Record<string, { from: string; to: string; key: string }>;
