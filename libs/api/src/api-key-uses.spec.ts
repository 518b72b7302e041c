import { describe, expect, it } from '@jest/globals';
import { ApiKeyPublished, message, type Message } from '@countersign/contracts';
import { ApiKeyUseReports } from './api-key-uses.js';

const keyOf = (keyId: string): ApiKeyPublished =>
  message(ApiKeyPublished, { tenant: 'acme', keyId, scopes: ['manage'], hashes: [] });

describe('the reports about the use of API keys', () => {
  it('are sent at the first use of a key and then once a minute, however often it is used', () => {
    const reports: Message[] = [];
    const uses = new ApiKeyUseReports((report) => reports.push(report));
    for (let ms = 0; ms <= 180_000; ms += 100) for (const id of ['key-a', 'key-b']) uses.used(keyOf(id), ms);
    const times = ['00:00', '01:00', '02:00', '03:00'].map((time) => `1970-01-01T00:${time}.000Z`);
    for (const keyId of ['key-a', 'key-b']) {
      const own = reports.filter((report) => (report as { keyId?: string }).keyId === keyId);
      expect(own).toEqual(times.map((usedAt) => expect.objectContaining({ tenant: 'acme', usedAt })));
    }
  });

  it('need memory for 10,000 keys at most', () => {
    const reports: Message[] = [];
    const uses = new ApiKeyUseReports((report) => reports.push(report));
    for (let count = 0; count <= 10_000; count++) uses.used(keyOf(`key-${count}`), count);
    uses.used(keyOf('key-10000'), 10_001);
    expect(reports).toHaveLength(10_001);
    // The one with the oldest report was forgotten.
    uses.used(keyOf('key-0'), 10_001);
    expect(reports).toHaveLength(10_002);
  });
});
