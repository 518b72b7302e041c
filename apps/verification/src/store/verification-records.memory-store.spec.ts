import { randomBytes } from 'node:crypto';
import { KeyedHash, Secret } from '@countersign/sealing';
import { ManualClock } from '@countersign/testing';
import { MemoryAttemptStore } from './attempt.memory-store.js';
import { MemorySubjectStore } from './subject.memory-store.js';
import { verificationRecordsContract } from './verification-records.contract.js';
import { MemoryErasures, MemoryVerificationRecords } from './verification-records.memory-store.js';

describe('verification records in memory', () => {
  verificationRecordsContract(() => {
    const clock = new ManualClock();
    const attempts = new MemoryAttemptStore(clock);
    const subjects = new MemorySubjectStore(new KeyedHash(new Secret(randomBytes(32).toString('base64url'))), attempts);
    const records = new MemoryVerificationRecords(attempts, subjects, clock);
    return Promise.resolve({ attempts, subjects, erasures: new MemoryErasures(subjects), records });
  });
});
