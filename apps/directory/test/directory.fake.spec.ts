import { ManualClock } from '@countersign/testing';
import { directoryStoreContract } from './directory-store.contract.js';
import { FakeDirectoryStore } from './directory.fake.js';

describe('the fake of the directory store', () => {
  directoryStoreContract(() => {
    const store = new FakeDirectoryStore(new ManualClock());
    return {
      store,
      published: () => Promise.resolve(store.published.map((entry) => entry.partitionKey)),
      facts: () =>
        Promise.resolve(store.facts.map(({ kind, tenant, agent }) => ({ kind, tenant, ...(agent && { agent }) }))),
    };
  });
});
