import { randomUUID } from 'node:crypto';
import { FactRecorded, message } from '@countersign/contracts';
import { RecordFact } from './record-fact.use-case.js';
import { FakeAuditTrail } from '../../test/audit-trail.fake.js';

test('the same fact twice is one entry and the same bytes twice', async () => {
  const trail = new FakeAuditTrail();
  const record = new RecordFact(trail);
  const fact = message(FactRecorded, {
    factId: randomUUID(),
    kind: 'attempt.decided',
    time: '2026-11-22T10:00:00.000Z',
    tenant: 'acme',
    subject: 'alice',
    outcome: 'verified',
  });
  const first = await record.record(fact);
  const second = await record.record(message(FactRecorded, { ...fact }));
  expect(second.value.equals(first.value)).toBe(true);
  expect(first).toMatchObject({ topic: 'countersign.audit.events', headers: { ce_id: fact.factId } });
  expect(trail.entries.size).toBe(1);
});
