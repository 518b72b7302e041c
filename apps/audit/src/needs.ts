import { CLOCK, DEAD_LETTERS, TOPICS } from '@countersign/contracts';
import { type ServiceNeeds } from '@countersign/hosting';
import { AUDIT_MIGRATIONS } from '../migrations/index.js';
import { AuditSettings } from './audit.settings.js';

/** What the audit service needs before it can work. */
export const NEEDS = {
  name: 'audit',
  settings: AuditSettings,
  bus: {
    consumes: { audit: [TOPICS.facts], 'audit-letters': [DEAD_LETTERS] },
    follows: [],
    writes: [TOPICS.auditEvents, DEAD_LETTERS, CLOCK],
    replies: 'none',
  },
  store: { schema: 'audit', migrations: AUDIT_MIGRATIONS },
  readKeys: () => Promise.resolve({}),
} as const satisfies ServiceNeeds<AuditSettings>;
