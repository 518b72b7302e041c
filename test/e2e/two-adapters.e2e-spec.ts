import { afterAll, beforeAll, describe, jest } from '@jest/globals';
import { startSeparate, type SeparateProduct } from '../product.js';
import { apiKeys } from './api-keys.contract.js';
import { confirmedChanges } from './confirmed-changes.contract.js';
import { idempotency } from './idempotency.contract.js';

jest.setTimeout(240_000);

describe('two instances of each adapter, over a real Apache Kafka', () => {
  let product: SeparateProduct;
  const started = (): SeparateProduct => product;
  beforeAll(async () => {
    // Longer than a busy machine needs, so that only a service that does not know a key or an agent refuses it.
    product = await startSeparate({ env: { REPLY_TIMEOUT_MS: '9000' } });
    // The second copy passes requests for events on, to a port that is known only now.
    const passesOn = { AUDIT_URL: product.auditUrls()[0] ?? '' };
    await Promise.all([product.addCopy('swaig-adapter'), product.addCopy('rest-adapter', passesOn)]);
  });
  afterAll(() => product.remove());

  describe('an Idempotency-Key', () => idempotency(started));
  describe('API keys', () => apiKeys(started));
  describe('a confirmed change', () => confirmedChanges(started));
});
