import { ManualClock } from '@countersign/testing';
import { limitStoreContract } from './limit-store.contract.js';
import { FakeLimitStore } from './limit-store.fake.js';

describe('the in-memory limit store', () => {
  limitStoreContract(() => {
    const clock = new ManualClock();
    const store = new FakeLimitStore(clock);
    return Promise.resolve({
      store,
      reset: (dimension, key) => Promise.resolve(store.reset(dimension, [key])),
      advance: (seconds) => Promise.resolve(clock.advance(seconds * 1000)),
    });
  });
});
