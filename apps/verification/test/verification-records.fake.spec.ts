import { randomBytes } from 'node:crypto';
import { KeyedHash, Secret } from '@countersign/crypto';
import { ManualClock } from '@countersign/testing';
import { FakeAttemptGate } from './attempt-gate.fake.js';
import { FakeSubjectStore } from './subject-store.fake.js';
import { verificationRecordsContract } from './verification-records.contract.js';
import { MemoryErasures, FakeVerificationRecords } from './verification-records.fake.js';

describe('verification records in memory', () => {
  verificationRecordsContract(() => {
    const clock = new ManualClock();
    const attempts = new FakeAttemptGate(clock);
    const subjects = new FakeSubjectStore(new KeyedHash(new Secret(randomBytes(32).toString('base64url'))), attempts);
    const records = new FakeVerificationRecords(attempts, subjects, clock);
    return Promise.resolve({ attempts, subjects, erasures: new MemoryErasures(subjects), records });
  });
});
