import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { DnsServer } from '../../apps/webhooks/test/dns-server.js';
import { openWorld, type World } from '../e2e/world.js';
import { startEmbedded, temporaryFolder, type EmbeddedProduct } from '../product.js';
import { describedExamples } from './examples.contract.js';
import { generatedRequests } from './generated-requests.contract.js';
import { tenantIsolation } from './isolation.contract.js';
import { openSchemathesis, type Schemathesis } from './schemathesis.js';
import { typedClient } from './typed-client.contract.js';

jest.setTimeout(600_000);

/** So high that no generated request is refused by a limit, which would hide what the request itself leads to. */
const POLICY = {
  limits: Object.fromEntries(
    ['caller', 'call', 'subject', 'agent', 'tenant', 'subjectsPerCaller'].map((dimension) => [
      dimension,
      { limit: 1_000_000, periodSeconds: 60 },
    ]),
  ),
};

describe('the product and its OpenAPI document', () => {
  let product: EmbeddedProduct;
  let world: World;
  let dns: DnsServer;
  let schemathesis: Promise<Schemathesis | string>;
  beforeAll(async () => {
    // Its installation takes longer than the tests before it.
    schemathesis = openSchemathesis();
    dns = await DnsServer.start(() => ['127.0.0.1']);
    const file = join(await temporaryFolder(), 'policy.json');
    await writeFile(file, JSON.stringify(POLICY));
    product = await startEmbedded({
      ...{ POLICY_FILE: file, LOG_LEVEL: 'warn' },
      // The hosts in examples of webhooks must have an address.
      ...{ WEBHOOK_DNS_SERVERS: dns.address, WEBHOOK_ALLOWED_NETWORKS: '127.0.0.1/32', WEBHOOK_ALLOW_HTTP: 'true' },
    });
  }, 180_000);
  // Each test has a tenant of its own, because most of them disable or delete what they find.
  beforeEach(async () => {
    world = await openWorld(product);
  }, 60_000);
  afterAll(async () => {
    await product.remove();
    await dns.close();
  }, 60_000);

  describe('examples', () => describedExamples(() => world));
  describe('tenants', () => tenantIsolation(() => world));
  describe('a typed client', () => typedClient(() => world));
  describe('generated requests', () =>
    generatedRequests(
      () => world,
      () => schemathesis,
    ));
});
