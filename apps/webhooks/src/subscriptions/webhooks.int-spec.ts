import { randomUUID } from 'node:crypto';
import { message, WebhookChangeRequested, WebhookCreateRequested } from '@countersign/contracts';
import { createSealingKeys } from '@countersign/crypto';
import { Receiver } from '../../test/receiver.js';
import { WebhooksTestBed } from '../../test/test-bed.js';

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
