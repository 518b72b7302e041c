import { factRecorded, INSTALLATION, type FactKind } from '@countersign/contracts';
import { FakeAuditTrail } from '../../test/audit-trail.fake.js';
import { FakePersonalDataVault } from '../../test/personal-data-vault.fake.js';
import { SealPersonalData } from '../personal-data/seal-personal-data.use-case.js';
import { FactsHandler } from './facts.handler.js';
import { RecordFact } from './record-fact.use-case.js';

describe('a fact from the topic', () => {
  it.each<FactKind>(['log.pruned', 'log.shard_started'])(
    'becomes a dead letter when it is a %s, which only the audit service records',
    async (kind) => {
      const trail = new FakeAuditTrail();
      const handler = new FactsHandler(
        new RecordFact(trail, new SealPersonalData(new FakePersonalDataVault()), '1.8.0'),
      );
      const forged = factRecorded(kind, new Date(), { tenant: INSTALLATION, detail: { from: 0, to: 255 } });
      const refusal = { code: 'MESSAGE_UNREADABLE', retriable: false };
      await expect(handler.record(forged)).rejects.toMatchObject(refusal);
      expect(trail.entries.size).toBe(0);
    },
  );
});
