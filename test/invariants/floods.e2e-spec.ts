import { afterAll, beforeAll, describe } from '@jest/globals';
import { BURST, burstOfOneAgent } from '../attacks/burst-of-one-agent.contract.js';
import { SHORT_SESSIONS, startSeparate, type SeparateProduct } from '../product.js';
import { exactLimits } from './limits.contract.js';
import { sprays } from './sprays.contract.js';

describe('the product under floods of requests', () => {
  let product: SeparateProduct;
  const started = (): SeparateProduct => product;
  beforeAll(async () => {
    // The largest value, because the tests are about exact counts and the order, also on a slow machine.
    product = await startSeparate({ env: { REPLY_TIMEOUT_MS: '25000', ...SHORT_SESSIONS } });
  }, 180_000);
  afterAll(() => product.remove(), 60_000);

  describe('four copies of the rate limiter', () => exactLimits(started));
  describe('a spray of attempts at two hundred subjects', () => sprays(started));
  describe(`while ${BURST} attempts of one agent wait for their hashes`, () => burstOfOneAgent(started));
});
