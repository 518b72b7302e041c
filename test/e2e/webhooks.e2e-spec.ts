import { jest } from '@jest/globals';
import { eventually } from '@countersign/testing';
import { Webhook } from 'standardwebhooks';
import { Receiver } from '../../apps/webhooks/test/receiver.js';
import { Client, newName } from '../client.js';
import { SHORT_SESSIONS, startSeparate, type SeparateProduct } from '../product.js';

jest.setTimeout(180_000);

const SUBJECTS = 20;
const CHANGES = 3;
const LIMIT_MS = 90_000;

describe('webhooks over Kafka and PostgreSQL', () => {
  let product: SeparateProduct;
  let receiver: Receiver;
  beforeAll(async () => {
    receiver = await Receiver.start();
    const env = { WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_ALLOWED_NETWORKS: '127.0.0.1/32', WEBHOOK_TIMEOUT_MS: '1000' };
    product = await startSeparate({ env: { ...env, ...SHORT_SESSIONS } });
  });
  afterAll(async () => {
    await receiver.close();
    await product.remove();
  });

  it('lose nothing and keep the order per subject when the service is killed while it sends', async () => {
    const client = new Client(product);
    const tenant = newName('tenant');
    await client.putTenant(tenant);
    const { json } = await client.manage('POST', `/v1/tenants/${tenant}/webhooks`, {
      url: receiver.url,
      eventTypes: ['subject.changed'],
    });
    const secret = String(json['secret']);
    const subjects = Array.from({ length: SUBJECTS }, () => newName('subject'));
    const changes = (async () => {
      for (let change = 0; change < CHANGES; change++) {
        await Promise.all(subjects.map((one) => client.putSubject(tenant, one, { displayName: `Name ${change}` })));
      }
    })();
    for (const kill of [1, 2]) {
      await eventually('deliveries are under way', () => receiver.received.length >= kill * 5, LIMIT_MS);
      await product.kill('webhooks');
      await product.restart('webhooks');
    }
    await changes;
    const idsOf = (subject: string): string[] => [
      ...new Set(
        receiver.received
          .filter(({ body }) => (JSON.parse(body) as { subject?: string }).subject === subject)
          .map(({ headers }) => String(headers['webhook-id'])),
      ),
    ];
    await eventually('every change arrives', () => subjects.every((one) => idsOf(one).length === CHANGES), LIMIT_MS);
    for (const { body, headers } of receiver.received) {
      expect(() => new Webhook(secret).verify(body, headers as Record<string, string>)).not.toThrow();
    }
    // The ids are UUIDs of version 7: those of one subject grow with time.
    for (const subject of subjects) expect(idsOf(subject)).toEqual(idsOf(subject).sort());
    expect(product.logs()).not.toContain(secret);
  });
});
