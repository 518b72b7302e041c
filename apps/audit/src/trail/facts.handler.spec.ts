import { DeadLettered, factRecorded, INSTALLATION, message, type FactKind } from '@countersign/contracts';
import { FakeAuditTrail } from '../../test/audit-trail.fake.js';
import { FakePersonalDataVault } from '../../test/personal-data-vault.fake.js';
import { SealPersonalData } from '../personal-data/seal-personal-data.use-case.js';
import { DeadLettersHandler } from './dead-letters.handler.js';
import { FactsHandler } from './facts.handler.js';
import { RecordDeadLetter } from './record-dead-letter.use-case.js';
import { RecordFact } from './record-fact.use-case.js';

const OWN_ID = '01926f6e-0b0a-8c3e-9b52-8e0d3a2f6f10';
const REFUSAL = { code: 'MESSAGE_UNREADABLE', retriable: false };

describe('a fact from the topic', () => {
  let trail: FakeAuditTrail;
  let recordFact: RecordFact;
  beforeEach(() => {
    trail = new FakeAuditTrail();
    recordFact = new RecordFact(trail, new SealPersonalData(new FakePersonalDataVault()), '1.8.0');
  });

  it.each<FactKind>([
    ...(['log.pruned', 'log.shard_started', 'log.mismatch'] as const),
    ...(['audit.read', 'audit.exported', 'message.dead_lettered'] as const),
  ])('becomes a dead letter when it is a %s, which only the audit service records', async (kind) => {
    const forged = factRecorded(kind, new Date(), { tenant: INSTALLATION, detail: { from: 0, to: 255 } });
    await expect(new FactsHandler(recordFact).record(forged)).rejects.toMatchObject(REFUSAL);
    expect(trail.entries.size).toBe(0);
  });

  it('becomes a dead letter when its id is of version 8, which only the audit service computes', async () => {
    const forged = factRecorded('key.rotated', new Date(), { factId: OWN_ID, tenant: INSTALLATION });
    await expect(new FactsHandler(recordFact).record(forged)).rejects.toMatchObject(REFUSAL);
    expect(trail.entries.size).toBe(0);
  });

  it('is recorded when another service sends it about the log', async () => {
    const fact = factRecorded('log.rolled_back', new Date(), { tenant: INSTALLATION });
    await new FactsHandler(recordFact).record(fact);
    expect([...trail.entries.values()]).toMatchObject([{ eventId: fact.factId, kind: 'log.rolled_back' }]);
  });

  it('is not recorded as a dead letter with an id of version 8 either', async () => {
    const forged = message(DeadLettered, {
      ...{ letterId: OWN_ID, time: '2026-11-22T10:00:00.000Z', group: 'verification', partition: 3, offset: '120' },
      ...{ recordTopic: 'verification.admissions', code: 'POISON', errorClass: 'ServiceError', sha256: 'a'.repeat(64) },
    });
    const handler = new DeadLettersHandler(new RecordDeadLetter(recordFact));
    await expect(handler.record(forged)).rejects.toMatchObject(REFUSAL);
    expect(trail.entries.size).toBe(0);
  });
});
