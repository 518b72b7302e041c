import { KeyedHash, Secret } from '@countersign/sealing';
import { ManualClock } from '@countersign/testing';
import { MemoryAttemptStore } from './attempt.memory-store.js';
import { MemorySubjectStore } from './subject.memory-store.js';
import { subjectStoreContract } from './subject.store.contract.js';

describe('the in-memory subject store', () => {
  subjectStoreContract(() => {
    const hash = new KeyedHash(new Secret(Buffer.alloc(32, 1).toString('base64url')));
    const attempts = new MemoryAttemptStore(new ManualClock());
    return Promise.resolve({
      store: new MemorySubjectStore(hash, attempts),
      attempts,
      phone: (tenant, e164) => hash.hash('phone', tenant, e164),
    });
  });
});
