import { ManualClock } from '@countersign/testing';
import { attemptStoreContract } from './attempt-gate.contract.js';
import { FakeAttemptGate } from './attempt-gate.fake.js';

describe('the in-memory attempt store', () => {
  attemptStoreContract(() => {
    const clock = new ManualClock();
    const store = new FakeAttemptGate(clock);
    return Promise.resolve({
      store,
      advance: (seconds) => Promise.resolve(clock.advance(seconds * 1000)),
      facts: () =>
        Promise.resolve([
          ...store.facts.map(({ factId }) => factId),
          ...store.tightened.map(({ commandId }) => commandId),
        ]),
    });
  });
});
