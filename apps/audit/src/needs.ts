import { readAdminKey } from '@countersign/api';
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
    follows: [TOPICS.directory],
    writes: [TOPICS.auditEvents, TOPICS.directoryCaches, DEAD_LETTERS, CLOCK],
    replies: 'none',
  },
  store: { schema: 'audit', migrations: AUDIT_MIGRATIONS },
  readKeys: async (settings) => {
    await readAdminKey(settings);
    return {};
  },
} as const satisfies ServiceNeeds<AuditSettings>;
