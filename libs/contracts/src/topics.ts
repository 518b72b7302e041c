/** How a topic is created. Every service creates the topics that it uses before it subscribes to any. */
export interface TopicSpec {
  readonly name: string;
  /** `command`: minutes of retention, somebody waits. `fact`: kept long, nothing may be lost. `state`: compacted. */
  readonly kind: 'command' | 'fact' | 'state';
}

export const TOPICS = {
  requests: { name: 'verification.requests', kind: 'command' },
  admissions: { name: 'verification.admissions', kind: 'command' },
  subjectCommands: { name: 'subject.commands', kind: 'command' },
  queries: { name: 'verification.queries', kind: 'command' },
  directoryCommands: { name: 'directory.commands', kind: 'command' },
  limitCommands: { name: 'limit.commands', kind: 'command' },
  directory: { name: 'countersign.directory', kind: 'state' },
  facts: { name: 'countersign.facts', kind: 'fact' },
  auditEvents: { name: 'countersign.audit.events', kind: 'fact' },
} as const satisfies Record<string, TopicSpec>;

/** The topic that takes what a consumer group could not handle. */
export const DEAD_LETTERS: TopicSpec = { name: 'countersign.dead-letters', kind: 'fact' };

/** Where a process that is about to take commands writes a record, to learn the time from the broker's stamp on it. */
export const CLOCK: TopicSpec = { name: 'countersign.clock', kind: 'command' };

/** Replies have no topic of their own: the asker names its address in the header `reply-to`. */
export const REPLY = '';
