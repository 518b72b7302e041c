import { ManualClock } from '@countersign/testing';
import { attemptStoreContract } from './attempt.store.contract.js';
import { MemoryAttemptStore } from './attempt.memory-store.js';

describe('the in-memory attempt store', () => {
  attemptStoreContract(() => {
    const clock = new ManualClock();
    const store = new MemoryAttemptStore(clock);
    return Promise.resolve({
      store,
      advance: (seconds) => Promise.resolve(clock.advance(seconds * 1000)),
      facts: () => Promise.resolve(store.facts.map(({ factId }) => factId)),
    });
  });
});
