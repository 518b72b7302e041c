import { NEEDS } from './needs.js';
import { VerificationSettings } from './verification.settings.js';

describe('the memory that verification needs for hashes', () => {
  it.each([
    [19_456, 65_536],
    [262_144, 262_144],
  ])(
    'counts the largest hash that may be imported: own hashes of %i KiB, so %i KiB for each at a time',
    (own, each) => {
      const settings = Object.assign(new VerificationSettings(), { HASH_CONCURRENCY: 3, HASH_MEMORY_KIB: own });
      expect(NEEDS.hashMemoryKib(settings, 2)).toBe(3 * each);
    },
  );
});
