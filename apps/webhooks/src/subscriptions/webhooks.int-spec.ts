import { randomUUID } from 'node:crypto';
import {
  message,
  WebhookChangeRequested,
  WebhookCreateRequested,
  WebhookDeleteRequested,
  WebhookSecretRotateRequested,
} from '@countersign/contracts';
import { createSealingKeys } from '@countersign/crypto';
import { openDatabase } from '@countersign/persistence';
import { eventually } from '@countersign/testing';
import { Receiver } from '../../test/receiver.js';
import { openSecret, WebhooksTestBed } from '../../test/test-bed.js';

let bed: WebhooksTestBed;
let receiver: Receiver;
beforeAll(async () => {
  bed = await WebhooksTestBed.open();
  await bed.startCopy();
  receiver = await Receiver.start();
});
afterEach(() => expect(bed.errors).toEqual([]));
afterAll(async () => {
  await receiver.close();
  await bed.close();
});

describe('a client without the scope audit', () => {
  const create = async (tenant: string, eventTypes: string[]) => {
    const { publicKeys: replyKeys } = await createSealingKeys('reply');
    const fields = { ...bed.origin(tenant), webhook: randomUUID(), url: receiver.url, eventTypes, replyKeys };
    return bed.command(message(WebhookCreateRequested, fields));
  };

  it.each([[['*']], [['attempt.decided']], [['subject.changed', 'credential.locked']], [['access.refused']]])(
    'cannot subscribe %j',
    async (eventTypes) => {
      expect((await create(await bed.putTenant(), eventTypes)).answer).toBe('scope_missing');
    },
  );

  it('can subscribe changes of resources, and change such a webhook, but not to other kinds', async () => {
    const tenant = await bed.putTenant();
    const { answer, body } = await create(tenant, ['subject.changed', 'agent.created']);
    expect(answer).toBe('created');
    const change = async (fields: Partial<WebhookChangeRequested>) =>
      (
        await bed.command(
          message(WebhookChangeRequested, { ...bed.origin(tenant), webhook: String(body['id']), ...fields }),
        )
      ).answer;
    expect(await change({ url: `${receiver.url}/other` })).toBe('updated');
    expect(await change({ eventTypes: ['policy.changed'] })).toBe('updated');
    expect(await change({ eventTypes: ['*'] })).toBe('scope_missing');
    expect(await change({ eventTypes: ['*'], hasAuditScope: true })).toBe('updated');
  });

  it('cannot send the events of a webhook that needs it to another URL, also after other kinds', async () => {
    const tenant = await bed.putTenant();
    const { id: webhook } = await bed.create(tenant, receiver.url);
    const change = async (fields: Partial<WebhookChangeRequested>) =>
      (await bed.command(message(WebhookChangeRequested, { ...bed.origin(tenant), webhook, ...fields }))).answer;
    expect(await change({ url: `${receiver.url}/stolen` })).toBe('scope_missing');
    expect(await change({ eventTypes: ['subject.changed'] })).toBe('scope_missing');
    expect(await change({ description: 'described' })).toBe('updated');
  });
});

describe('a repeated command that shows a secret', () => {
  it('gets the secret as it was encrypted for the first request, and none after a further rotation', async () => {
    const tenant = await bed.putTenant();
    const { id: webhook } = await bed.create(tenant, receiver.url);
    const [first, other] = [await createSealingKeys('reply'), await createSealingKeys('reply')];
    const fields = { ...bed.origin(tenant), webhook, graceSeconds: 0 };
    const rotate = (replyKeys: string, origin = fields) =>
      bed.command(message(WebhookSecretRotateRequested, { ...origin, replyKeys }));
    const rotated = await rotate(first.publicKeys);
    const repeated = await rotate(other.publicKeys);
    expect(repeated).toEqual(rotated);
    const sealed = repeated.body['sealedSecret'];
    expect(await openSecret(sealed, first.privateKeys, fields.commandId)).toMatch(/^whsec_/);
    await expect(openSecret(sealed, other.privateKeys, fields.commandId)).rejects.toThrow();
    expect((await rotate(other.publicKeys, { ...fields, ...bed.origin(tenant) })).answer).toBe('updated');
    expect(await rotate(first.publicKeys)).toEqual({ answer: 'unavailable', body: {}, violations: undefined });
  });
});

describe('the deletion of a webhook', () => {
  it('waits for an attempt that is being recorded, which does not wait for the deletion', async () => {
    const failing = await Receiver.start(() => ({ status: 500 }));
    const tenant = await bed.putTenant();
    const { id: webhook } = await bed.create(tenant, failing.url);
    await bed.publish(tenant, 'alice');
    await eventually('an attempt has failed', () => failing.received.length > 0);
    const administrator = await openDatabase({
      ...{ url: bed.databaseUrl, schema: 'webhooks', migrations: 'none', as: 'administrator', applicationName: 'test' },
    });
    try {
      let deletion: Promise<unknown> | undefined;
      // As an attempt of a webhook without failures is recorded: the queue, then the delivery.
      await administrator.forAllTenants().transaction(async (tx) => {
        await tx.query('SELECT FROM webhooks.delivery_queues WHERE webhook = $1 FOR UPDATE', [webhook]);
        deletion = bed.command(message(WebhookDeleteRequested, { ...bed.origin(tenant), webhook }));
        const waiting = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'DELETE FROM webhooks%'`;
        await eventually(
          'the deletion waits',
          async () => (await administrator.forAllTenants().query(waiting)).length > 0,
        );
        // Shorter than the time after which PostgreSQL ends one of two transactions that wait for each other.
        await tx.query("SET LOCAL lock_timeout = '500ms'");
        await tx.query('UPDATE webhooks.webhook_deliveries SET attempt_count = 0 WHERE webhook = $1', [webhook]);
      });
      expect(await deletion).toMatchObject({ answer: 'updated' });
    } finally {
      await administrator.close();
      await failing.close();
    }
  });
});
