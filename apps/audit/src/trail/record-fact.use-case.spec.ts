import { FactRecorded, message, factRecorded } from '@countersign/contracts';
import { ocsfFaults } from '@countersign/testing';
import { RecordFact } from './record-fact.use-case.js';
import { FakeAuditTrail } from '../../test/audit-trail.fake.js';
import { FakePersonalDataVault } from '../../test/personal-data-vault.fake.js';
import { SealPersonalData } from '../personal-data/seal-personal-data.use-case.js';

test('a redelivered fact changes nothing', async () => {
  const trail = new FakeAuditTrail();
  const useCase = new RecordFact(trail, new SealPersonalData(new FakePersonalDataVault()), '1.8.0');
  const fact = factRecorded('attempt.decided', new Date('2026-11-22T10:00:00.000Z'), {
    tenant: 'acme',
    subject: 'alice',
    outcome: 'verified',
  });
  await useCase.record(fact, '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
  const first = trail.entries.get(fact.factId);
  await useCase.record(message(FactRecorded, { ...fact }));
  expect([...trail.entries.values()]).toEqual([first]);
  expect(first).toMatchObject({ partitionKey: 'acme:alice', kind: 'attempt.decided' });
});

test('an event is recorded in the configured version of OCSF, and a redelivery under another version changes nothing', async () => {
  const trail = new FakeAuditTrail();
  const fact = factRecorded('credential.unlocked', new Date('2026-11-22T10:00:00.000Z'), { tenant: 'acme' });
  await new RecordFact(trail, new SealPersonalData(new FakePersonalDataVault()), '1.1.0').record(fact);
  const first = trail.entries.get(fact.factId);
  const event = JSON.parse(String(first?.value)) as unknown;
  expect(event).toMatchObject({ metadata: { version: '1.1.0' }, activity_id: 99, activity_name: 'Unlock' });
  expect(ocsfFaults(event)).toEqual([]);
  await new RecordFact(trail, new SealPersonalData(new FakePersonalDataVault()), '1.8.0').record(
    message(FactRecorded, { ...fact }),
  );
  expect([...trail.entries.values()]).toEqual([first]);
});

test.each([
  ['takes', 65_535, undefined],
  ['refuses', 65_536, { code: 'EVENT_TOO_LARGE', retriable: false }],
])('the log %s an event of %d bytes, because the length in an entry bundle has two bytes', async (_, bytes, fault) => {
  const trail = new FakeAuditTrail();
  const recording = new RecordFact(trail, new SealPersonalData(new FakePersonalDataVault()), '1.8.0');
  const factOf = (source: string): FactRecorded =>
    factRecorded('tenant.changed', new Date('2026-11-22T10:00:00.000Z'), {
      tenant: 'acme',
      detail: { fields: source },
    });
  const lengths = (): number[] => [...trail.entries.values()].map(({ value }) => value.length);
  await recording.record(factOf('x'));
  const [first = 0] = lengths();
  const recorded = recording.record(factOf('x'.repeat(bytes - first + 1)));
  await (fault === undefined ? recorded : expect(recorded).rejects.toMatchObject(fault));
  expect(lengths()).toEqual([first, ...(fault === undefined ? [bytes] : [])]);
});
