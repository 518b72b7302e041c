import { DeadLettered, message } from '@countersign/contracts';
import { RecordDeadLetter } from './record-dead-letter.use-case.js';
import { RecordFact } from './record-fact.use-case.js';
import { FakeAuditTrail } from '../../test/audit-trail.fake.js';
import { FakePersonalDataVault } from '../../test/personal-data-vault.fake.js';
import { SealPersonalData } from '../personal-data/seal-personal-data.use-case.js';

const deadLetter = message(DeadLettered, {
  letterId: '01926f6e-0b0a-5c3e-9b52-8e0d3a2f6f10',
  time: '2026-11-22T10:00:00.000Z',
  group: 'verification',
  recordTopic: 'verification.admissions',
  partition: 3,
  offset: '120',
  recordType: 'verification.admitted.v1',
  code: 'POISON',
  errorClass: 'ServiceError',
  sha256: 'a'.repeat(64),
});

test('a dead letter is recorded as one failure, even when it is redelivered', async () => {
  const trail = new FakeAuditTrail();
  const useCase = new RecordDeadLetter(
    new RecordFact(trail, new SealPersonalData(new FakePersonalDataVault()), '1.8.0'),
  );
  await useCase.record(deadLetter);
  await useCase.record(message(DeadLettered, { ...deadLetter, time: '2026-11-22T10:05:00.000Z' }));
  const [first, ...others] = trail.entries.values();
  expect(others).toEqual([]);
  expect(first).toMatchObject({ eventId: deadLetter.letterId, kind: 'message.dead_lettered' });
  expect(JSON.parse(String(first?.value))).toMatchObject({
    class_uid: 6003,
    status: 'Failure',
    status_code: 'POISON',
    severity: 'Medium',
    unmapped: { detail: { topic: 'verification.admissions', partition: 3, offset: '120', group: 'verification' } },
  });
});
