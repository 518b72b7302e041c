import { auditTrailContract } from './audit-trail.contract.js';
import { FakeAuditTrail } from './audit-trail.fake.js';

describe('the fake of the audit trail', () => {
  auditTrailContract(() => {
    const trail = new FakeAuditTrail();
    const stored = (): Map<string, Buffer> => new Map([...trail.entries].map(([id, { value }]) => [id, value]));
    return { trail, stored: () => Promise.resolve(stored()) };
  });
});
