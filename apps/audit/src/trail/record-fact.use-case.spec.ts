import { FactRecorded, message, factRecorded } from '@countersign/contracts';
import { ocsfFaults } from '@countersign/testing';
import { RecordFact } from './record-fact.use-case.js';
import { FakeAuditTrail } from '../../test/audit-trail.fake.js';
import { FakePersonalDataVault } from '../../test/personal-data-vault.fake.js';
import { SealPersonalData } from '../personal-data/seal-personal-data.use-case.js';

test('a redelivered fact adds no entry and publishes the same bytes', async () => {
  const trail = new FakeAuditTrail();
  const useCase = new RecordFact(trail, new SealPersonalData(new FakePersonalDataVault()), '1.8.0');
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

test('an event is recorded in the configured version of OCSF, and a redelivery under another version changes nothing', async () => {
  const trail = new FakeAuditTrail();
  const fact = factRecorded('credential.unlocked', new Date('2026-11-22T10:00:00.000Z'), { tenant: 'acme' });
  const first = await new RecordFact(trail, new SealPersonalData(new FakePersonalDataVault()), '1.1.0').record(fact);
  const event = JSON.parse(first.value.toString()) as unknown;
  expect(event).toMatchObject({ metadata: { version: '1.1.0' }, activity_id: 99, activity_name: 'Unlock' });
  expect(ocsfFaults(event)).toEqual([]);
  const again = await new RecordFact(trail, new SealPersonalData(new FakePersonalDataVault()), '1.8.0').record(
    message(FactRecorded, { ...fact }),
  );
  expect(again.value.equals(first.value)).toBe(true);
  expect(again.headers).toEqual(first.headers);
  expect(again.headers['ce_dataschema']).toContain('/1.1.0/');
});
