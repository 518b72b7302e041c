import { KeyedHash, Secret } from '@countersign/crypto';
import { ManualClock } from '@countersign/testing';
import { storedPhoneOf } from '../src/integrity/stored-names.js';
import { FakeAttemptGate } from './attempt-gate.fake.js';
import { FakeSubjectStore } from './subject-store.fake.js';
import { subjectStoreContract } from './subject-store.contract.js';

describe('the in-memory subject store', () => {
  subjectStoreContract(() => {
    const hash = new KeyedHash(new Secret(Buffer.alloc(32, 1).toString('base64url')));
    const clock = new ManualClock();
    const attempts = new FakeAttemptGate(clock);
    return Promise.resolve({
      store: new FakeSubjectStore(hash, attempts),
      attempts,
      advance: (seconds) => Promise.resolve(clock.advance(seconds * 1000)),
      phone: (tenant, e164) => storedPhoneOf(hash, tenant, e164),
    });
  });
});
