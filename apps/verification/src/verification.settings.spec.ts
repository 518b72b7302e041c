import { hashConcurrency, reservedHashes, VerificationSettings } from './verification.settings.js';

const settings = (threads: number, concurrency = 0): VerificationSettings =>
  Object.assign(new VerificationSettings(), { UV_THREADPOOL_SIZE: threads, HASH_CONCURRENCY: concurrency });

describe('the number of concurrent hashes', () => {
  it.each([
    { threads: 2, cores: 2, set: 0, expected: [4, 1] },
    { threads: 8, cores: 8, set: 0, expected: [16, 4] },
    { threads: 1, cores: 4, set: 0, expected: [2, 1] },
    { threads: 4, cores: 2, set: 0, expected: [2, 0] },
    { threads: 4, cores: 4, set: 4, expected: [4, 0] },
    { threads: 4, cores: 4, set: 5, expected: [5, 1] },
  ])(
    'with $threads threads on $cores cores, set to $set, keeps every thread busy for one tenant and reserves slots for others',
    ({ threads, cores, set, expected }) => {
      const given = settings(threads, set);
      const concurrency = hashConcurrency(given, cores);
      expect([concurrency, reservedHashes(given, concurrency)]).toEqual(expected);
    },
  );
});
