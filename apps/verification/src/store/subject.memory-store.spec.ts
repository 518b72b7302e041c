import { KeyedHash, Secret } from '@countersign/sealing';
import { ManualClock } from '@countersign/testing';
import { MemoryAttemptStore } from './attempt.memory-store.js';
import { MemorySubjectStore } from './subject.memory-store.js';
import { subjectStoreContract } from './subject.store.contract.js';

describe('the in-memory subject store', () => {
  subjectStoreContract(() => {
    const hash = new KeyedHash(new Secret(Buffer.alloc(32, 1).toString('base64url')));
    const clock = new ManualClock();
    const attempts = new MemoryAttemptStore(clock);
    return Promise.resolve({
      store: new MemorySubjectStore(hash, attempts),
      attempts,
      advance: (seconds) => Promise.resolve(clock.advance(seconds * 1000)),
      phone: (tenant, e164) => hash.hash('phone', tenant, e164),
    });
  });
});
