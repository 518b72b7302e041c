import { FactRecorded, message, factRecorded } from '@countersign/contracts';
import { RecordFact } from './record-fact.use-case.js';
import { FakeAuditTrail } from '../../test/audit-trail.fake.js';

test('a redelivered fact adds no entry and publishes the same bytes', async () => {
  const trail = new FakeAuditTrail();
  const useCase = new RecordFact(trail);
  const fact = factRecorded('attempt.decided', new Date('2026-11-22T10:00:00.000Z'), {
    tenant: 'acme',
    subject: 'alice',
    outcome: 'verified',
  });
  const first = await useCase.record(fact);
  const second = await useCase.record(message(FactRecorded, { ...fact }));
  expect(second.value.equals(first.value)).toBe(true);
  expect(first).toMatchObject({ topic: 'countersign.audit.events', headers: { ce_id: fact.factId } });
  expect(trail.entries.size).toBe(1);
});
