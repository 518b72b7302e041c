import { randomUUID } from 'node:crypto';
import {
  DeliveryListRequested,
  DeliveryReplayRequested,
  message,
  WebhookRequested,
  WebhookSecretRotateRequested,
  WebhookStateChangeRequested,
  WebhookTestRequested,
} from '@countersign/contracts';
import { createSealingKeys, Keyring, Secret } from '@countersign/crypto';
import { METRICS } from '@countersign/observability';
import { openDatabase, type Database, type OutboxRelay } from '@countersign/persistence';
import { eventually } from '@countersign/testing';
import { Webhook } from 'standardwebhooks';
import { Receiver, type ReceivedWebhook, type ReceiverAnswer } from '../../test/receiver.js';
import { newKeys, openSecret, WebhooksTestBed } from '../../test/test-bed.js';
import { SecretVault } from '../subscriptions/secret-vault.js';
import { PostgresDeliveryQueues } from './delivery-queues.store.js';

const LIMIT_MS = 30_000;

let bed: WebhooksTestBed;
let administrator: Database;
const receivers: Receiver[] = [];
const receive = async (
  answer?: (request: ReceivedWebhook) => ReceiverAnswer | Promise<ReceiverAnswer>,
): Promise<Receiver> => {
  const receiver = await Receiver.start(answer);
  receivers.push(receiver);
  return receiver;
};
const idOf = ({ headers }: ReceivedWebhook): string => String(headers['webhook-id']);
const idsOf = (receiver: Receiver): string[] => receiver.received.map(idOf);
const headersOf = ({ headers }: ReceivedWebhook): Record<string, string> => headers as Record<string, string>;

interface ShownDelivery {
  readonly id: string;
  readonly eventId: string;
  readonly state: string;
  readonly attempts: readonly { readonly status?: number; readonly error?: string }[];
  readonly nextAttemptAt: string | null;
}

const deliveriesOf = async (tenant: string, webhook: string): Promise<readonly ShownDelivery[]> => {
  const { body } = await bed.command(message(DeliveryListRequested, { ...bed.origin(tenant), webhook, limit: 200 }));
  return body['items'] as readonly ShownDelivery[];
};

beforeAll(async () => {
  bed = await WebhooksTestBed.open();
  await bed.startCopy();
  administrator = await openDatabase({
    ...{ url: bed.databaseUrl, schema: 'webhooks', migrations: 'none', as: 'administrator', applicationName: 'test' },
  });
});
afterEach(async () => {
  await Promise.all(receivers.splice(0).map((receiver) => receiver.close()));
  expect(bed.errors).toEqual([]);
});
afterAll(async () => {
  await administrator.close();
  await bed.close();
});

describe('a webhook', () => {
  it('gets the events of its tenant and its kinds only, as signed CloudEvents with the bytes that were published', async () => {
    const receiver = await receive();
    const [tenant, other] = [await bed.putTenant(), await bed.putTenant()];
    const { secret } = await bed.create(tenant, receiver.url, ['attempt.decided', 'credential.locked']);
    await bed.publish(other, 'alice');
    await bed.publish(tenant, 'alice', 'receipt.issued');
    const id = await bed.publish(tenant, 'alice', 'credential.locked', { big: '9007199254740993' });
    await eventually('the event arrives', () => receiver.received.length > 0);
    const [got] = receiver.received;
    expect(idsOf(receiver)).toEqual([id]);
    expect(got?.headers['content-type']).toBe('application/cloudevents+json; charset=utf-8');
    expect(new Webhook(secret).verify(got?.body ?? '', headersOf(got as ReceivedWebhook))).toEqual({
      ...{ specversion: '1.0', id, source: '/countersign', type: 'countersign.credential.locked.v1', tenant },
      ...{ subject: 'alice', time: expect.any(String) as unknown, datacontenttype: 'application/json' },
      data: { subject: 'alice', big: '9007199254740993' },
    });
    expect(got?.body.endsWith('"data":{"subject":"alice","big":"9007199254740993"}}')).toBe(true);
  });

  it('gets no event from before its creation, and the events from the moment of its creation on', async () => {
    const receiver = await receive();
    const tenant = await bed.putTenant();
    const { id: webhook } = await bed.create(tenant, receiver.url);
    const { body } = await bed.command(message(WebhookRequested, { ...bed.origin(tenant), webhook }));
    const createdAt = Date.parse(String(body['createdAt']));
    await bed.publish(tenant, 'alice', 'attempt.decided', {}, new Date(createdAt - 1));
    const later = [await bed.publish(tenant, 'alice', 'attempt.decided', {}, new Date(createdAt))];
    later.push(await bed.publish(tenant, 'alice'));
    await eventually('the last event arrives', () => idsOf(receiver).includes(later[1] ?? ''));
    expect(idsOf(receiver)).toEqual(later);
  });

  it('gets an event once although audit publishes it twice', async () => {
    const receiver = await receive();
    const tenant = await bed.putTenant();
    await bed.create(tenant, receiver.url);
    const headers = {
      ...{ ce_id: randomUUID(), ce_source: '/countersign', ce_tenant: tenant, ce_time: new Date().toISOString() },
      ce_type: 'countersign.attempt.decided.v1',
    };
    for (let time = 0; time < 3; time++) await bed.send(`${tenant}:a`, Buffer.from('{}'), headers);
    const last = await bed.publish(tenant, 'a');
    await eventually('the later event arrives', () => idsOf(receiver).includes(last));
    expect(idsOf(receiver)).toEqual([headers.ce_id, last]);
  });

  it('whose receiver fails for a while gets everything once it is back, in order per subject, with valid signatures', async () => {
    let isDown = true;
    let refused = 0;
    const accepted: ReceivedWebhook[] = [];
    const receiver = await receive((request) => {
      if (isDown) return { status: refused++ % 2 === 0 ? 500 : 503 };
      accepted.push(request);
      return { status: 200 };
    });
    const tenant = await bed.putTenant();
    const { id: webhook, secret } = await bed.create(tenant, receiver.url);
    const subjects = Array.from({ length: 10 }, (_, at) => `subject-${at}`);
    const published = new Map<string, string[]>(subjects.map((subject) => [subject, []]));
    for (let round = 0; round < 5; round++) {
      for (const subject of subjects) published.get(subject)?.push(await bed.publish(tenant, subject));
    }
    await eventually('the receiver has refused many attempts', () => refused >= 8, LIMIT_MS);
    isDown = false;
    await eventually('all 50 events arrive', () => accepted.length >= 50, LIMIT_MS);
    const verified = accepted.map((request) => {
      const event = new Webhook(secret).verify(request.body, headersOf(request)) as { id: string; subject: string };
      expect(event.id).toBe(idOf(request));
      return event;
    });
    for (const subject of subjects) {
      const order = verified.filter((event) => event.subject === subject).map(({ id }) => id);
      expect(order).toEqual(published.get(subject));
    }
    await eventually('the log shows the deliveries', async () =>
      (await deliveriesOf(tenant, webhook)).every(({ state }) => state === 'delivered'),
    );
    const { body } = await bed.command(message(WebhookRequested, { ...bed.origin(tenant), webhook }));
    expect(body).toMatchObject({ state: 'enabled', failingSince: null });
  });

  it('delays no other subject while the delivery of one fails', async () => {
    const receiver = await receive(({ body }) => ({ status: body.includes('"subject":"stuck"') ? 500 : 200 }));
    const tenant = await bed.putTenant();
    await bed.create(tenant, receiver.url);
    const stuck = await bed.publish(tenant, 'stuck');
    await eventually('the first attempt fails', () => receiver.received.length > 0);
    const later = await bed.publish(tenant, 'stuck');
    const others = await Promise.all(['a', 'b', 'c'].map((subject) => bed.publish(tenant, subject)));
    await eventually('the others arrive', () => others.every((id) => idsOf(receiver).includes(id)));
    await eventually('the failed one is tried again', () => idsOf(receiver).filter((id) => id === stuck).length > 2);
    expect(idsOf(receiver)).not.toContain(later);
  });

  it('counts no failure for an attempt whose lease another copy has taken', async () => {
    let answer: ((value: ReceiverAnswer) => void) | undefined;
    const receiver = await receive(() => new Promise<ReceiverAnswer>((resolve) => (answer = resolve)));
    const tenant = await bed.putTenant();
    const { id: webhook } = await bed.create(tenant, receiver.url);
    await bed.publish(tenant, 'alice');
    await eventually('the request arrives', () => answer !== undefined);
    const all = administrator.forAllTenants();
    await all.query(
      `UPDATE webhooks.delivery_queues SET lease = gen_random_uuid(), leased_until = clock_timestamp() + interval '1 hour'
       WHERE webhook = $1`,
      [webhook],
    );
    const lost = async (): Promise<number> => {
      const { values } = await METRICS.webhookAttempts.get();
      return values.find(({ labels }) => labels['outcome'] === 'lease_lost')?.value ?? 0;
    };
    const before = await lost();
    answer?.({ status: 500 });
    await eventually('the attempt is recorded', async () => (await lost()) > before);
    const [row] = await all.query('SELECT failures, failing_since FROM webhooks.webhooks WHERE webhook = $1', [
      webhook,
    ]);
    expect(row).toEqual({ failures: 0, failing_since: null });
  });

  it('loses what has waited longer than the retention, and the oldest of what waits beyond the limit', async () => {
    const receiver = await receive(() => ({ status: 500 }));
    const tenant = await bed.putTenant();
    const { id: webhook } = await bed.create(tenant, receiver.url);
    const ids: string[] = [];
    for (let at = 0; at < 5; at++) ids.push(await bed.publish(tenant, `s-${at}`));
    await eventually('all wait', async () => (await deliveriesOf(tenant, webhook)).length === 5);
    const all = administrator.forAllTenants();
    await all.query(
      `UPDATE webhooks.webhook_deliveries SET created_at = created_at - interval '31 days' WHERE event_id = $1`,
      [ids[4]],
    );
    const unused = { wake: () => undefined } as unknown as OutboxRelay;
    const vault = new SecretVault(new Keyring(new Secret(newKeys('k1'))));
    const queues = new PostgresDeliveryQueues(administrator, unused, vault);
    const bySeq = (await deliveriesOf(tenant, webhook)).map(({ eventId }) => eventId);
    const kept = bySeq.slice(0, 3).filter((id) => id !== ids[4]);
    expect(await queues.purge(30, 3)).toBe(2);
    expect((await deliveriesOf(tenant, webhook)).map(({ eventId }) => eventId)).toEqual(kept);
  });

  it('that answers 410 is disabled, with an event', async () => {
    const receiver = await receive(() => ({ status: 410 }));
    const tenant = await bed.putTenant();
    const { id: webhook } = await bed.create(tenant, receiver.url);
    await bed.publish(tenant, 'alice');
    const fact = await eventually('the event', () =>
      bed.facts.find(({ kind, tenant: of }) => kind === 'webhook.disabled' && of === tenant),
    );
    expect(fact).toMatchObject({ detail: { webhook, reason: 'gone' } });
    expect(fact.actor).toBeUndefined();
    const { body } = await bed.command(message(WebhookRequested, { ...bed.origin(tenant), webhook }));
    expect(body).toMatchObject({ state: 'disabled', disabledReason: 'gone' });
    await bed.publish(tenant, 'bob');
    expect(await deliveriesOf(tenant, webhook)).toHaveLength(1);
  });

  it('is signed with both secrets in the grace period of a rotation, and with the new one afterwards', async () => {
    const receiver = await receive();
    const tenant = await bed.putTenant();
    const { id: webhook, secret } = await bed.create(tenant, receiver.url);
    const rotate = async (graceSeconds: number): Promise<string> => {
      const { privateKeys, publicKeys: replyKeys } = await createSealingKeys('reply');
      const origin = bed.origin(tenant);
      const command = message(WebhookSecretRotateRequested, { ...origin, webhook, graceSeconds, replyKeys });
      return openSecret((await bed.command(command)).body['sealedSecret'], privateKeys, origin.commandId);
    };
    const validFor = async (candidate: string): Promise<boolean> => {
      const id = await bed.publish(tenant, 'alice');
      const got = await eventually('the event arrives', () => receiver.received.find((one) => idOf(one) === id));
      try {
        return new Webhook(candidate).verify(got.body, headersOf(got)) !== undefined;
      } catch {
        return false;
      }
    };
    const second = await rotate(3600);
    expect(second).not.toBe(secret);
    expect([await validFor(secret), await validFor(second)]).toEqual([true, true]);
    const third = await rotate(0);
    expect([await validFor(secret), await validFor(second), await validFor(third)]).toEqual([false, false, true]);
  });

  it('gets a replayed delivery again with the same id, and the event names who requested it', async () => {
    const receiver = await receive();
    const tenant = await bed.putTenant();
    const { id: webhook } = await bed.create(tenant, receiver.url);
    const event = await bed.publish(tenant, 'alice');
    const [sent] = await eventually('the delivery ends', async () => {
      const found = await deliveriesOf(tenant, webhook);
      return found[0]?.state === 'delivered' && found;
    });
    const replay = message(DeliveryReplayRequested, { ...bed.origin(tenant), webhook, delivery: sent?.id ?? '' });
    expect(await bed.command(replay)).toMatchObject({ answer: 'updated', body: { state: 'pending', eventId: event } });
    await eventually('it arrives again', () => idsOf(receiver).length === 2);
    // Redelivered by the bus: it changes nothing.
    await bed.command(replay);
    await bed.publish(tenant, 'alice');
    await eventually('a later event arrives', () => idsOf(receiver).length === 3);
    expect(idsOf(receiver).slice(0, 2)).toEqual([event, event]);
    const replayed = () => bed.facts.filter(({ kind, tenant: of }) => kind === 'webhook.replayed' && of === tenant);
    const facts = await eventually('the event of the replay', () => replayed().length > 0 && replayed());
    expect(facts).toMatchObject([{ actor: { kind: 'administrator' }, detail: { webhook, delivery: sent?.id } }]);
  });

  it('keeps what waits while it is disabled, gets a test meanwhile, and gets the rest when it is enabled', async () => {
    let isDown = true;
    const receiver = await receive(() => ({ status: isDown ? 500 : 200 }));
    const tenant = await bed.putTenant();
    const { id: webhook } = await bed.create(tenant, receiver.url);
    const kept = await bed.publish(tenant, 'alice');
    await eventually('the first attempt fails', () => receiver.received.length > 0);
    const setState = (state: 'enabled' | 'disabled') =>
      bed.command(message(WebhookStateChangeRequested, { ...bed.origin(tenant), webhook, state }));
    expect(await setState('disabled')).toMatchObject({ body: { state: 'disabled', disabledReason: 'operator' } });
    await eventually('no attempt is in flight', async () => (await deliveriesOf(tenant, webhook))[0]?.attempts.length);
    isDown = false;
    const before = receiver.received.length;
    const { body: test } = await bed.command(message(WebhookTestRequested, { ...bed.origin(tenant), webhook }));
    await eventually('the test arrives', () => idsOf(receiver).includes(String(test['eventId'])));
    expect(idsOf(receiver).slice(before)).toEqual([test['eventId']]);
    await setState('enabled');
    await eventually('what was kept arrives', () => idsOf(receiver).slice(before).includes(kept));
  });
});

describe('two copies of the service', () => {
  it('deliver each event once in the ordinary case', async () => {
    const second = await bed.startCopy();
    try {
      const receiver = await receive();
      const tenant = await bed.putTenant();
      const { id: webhook } = await bed.create(tenant, receiver.url);
      const subjects = Array.from({ length: 20 }, (_, at) => `s-${at}`);
      const ids: string[] = [];
      for (let round = 0; round < 5; round++) {
        ids.push(...(await Promise.all(subjects.map((subject) => bed.publish(tenant, subject)))));
      }
      await eventually(
        'all arrive',
        async () => (await deliveriesOf(tenant, webhook)).filter(({ state }) => state === 'delivered').length === 100,
        LIMIT_MS,
      );
      expect(idsOf(receiver).sort()).toEqual(ids.sort());
    } finally {
      await second.close();
      bed.copies.pop();
    }
  });
});

describe('a tenant with more due queues than one read returns', () => {
  it('does not delay the webhook of another tenant while its receivers do not answer', async () => {
    const busy = await WebhooksTestBed.open({ WEBHOOK_MAX_PER_URL: '64', WEBHOOK_TIMEOUT_MS: '20000' });
    try {
      await busy.startCopy();
      const silent = await receive(() => new Promise<ReceiverAnswer>(() => undefined));
      const receiver = await receive();
      const [tenant, other] = [await busy.putTenant(), await busy.putTenant()];
      for (let at = 0; at < 20; at++) await busy.create(tenant, `${silent.url}/${at}`);
      await busy.create(other, receiver.url);
      await Promise.all(Array.from({ length: 60 }, (_, at) => busy.publish(tenant, `s-${at}`)));
      await eventually('the silent receiver has connections', () => silent.connections > 0);
      const id = await busy.publish(other, 'alice');
      await eventually('the event of the other tenant arrives', () => idsOf(receiver).includes(id), 5_000);
    } finally {
      await Promise.all(receivers.splice(0).map((one) => one.close()));
      await busy.close();
    }
  });
});

describe('a webhook that fails for too long', () => {
  it('is disabled with an event, keeps what waits, and sends it when it is enabled', async () => {
    const short = await WebhooksTestBed.open({ WEBHOOK_DISABLE_SECONDS: '2' });
    try {
      await short.startCopy();
      let isDown = true;
      const receiver = await receive(() => ({ status: isDown ? 500 : 200 }));
      const tenant = await short.putTenant();
      const { id: webhook } = await short.create(tenant, receiver.url);
      const waiting = [await short.publish(tenant, 'alice'), await short.publish(tenant, 'alice')];
      const fact = await eventually(
        'the event',
        () => short.facts.find(({ kind }) => kind === 'webhook.disabled'),
        LIMIT_MS,
      );
      expect(fact).toMatchObject({ tenant, detail: { webhook, reason: 'failing' } });
      isDown = false;
      const before = receiver.received.length;
      await short.command(message(WebhookStateChangeRequested, { ...short.origin(tenant), webhook, state: 'enabled' }));
      await eventually('what waited arrives', () => receiver.received.length === before + 2, LIMIT_MS);
      expect(idsOf(receiver).slice(before)).toEqual(waiting);
    } finally {
      await short.close();
    }
  });
});

describe('a webhook whose row was edited in the database', () => {
  it.each([
    ['url', `url = replace(url, 'http://', 'http://stolen.example@')`],
    ['url, to another allowed one', `url = url || 'stolen'`],
    ['event_types', `event_types = '{*}'`],
    ['tenant', `tenant = 'other'`],
    ['secrets', `secrets = set_byte(secrets, 20, 255 - get_byte(secrets, 20))`],
  ])('is sent nothing after an edit of %s', async (_column, assignment) => {
    const receiver = await receive();
    const tenant = await bed.putTenant();
    const { id: webhook } = await bed.create(tenant, receiver.url, ['attempt.decided']);
    await administrator.query(`UPDATE webhooks.webhooks SET ${assignment} WHERE webhook = $1`, [webhook]);
    const [row] = await administrator.query<{ tenant: string }>(
      'SELECT tenant FROM webhooks.webhooks WHERE webhook = $1',
      [webhook],
    );
    await bed.publish(row?.tenant ?? '', 'alice');
    const attempts = await eventually('an attempt fails', async () => {
      const [found] = await administrator.query<{ attempts: readonly object[] }>(
        'SELECT attempts FROM webhooks.webhook_deliveries WHERE webhook = $1 AND jsonb_array_length(attempts) > 0',
        [webhook],
      );
      return found?.attempts;
    });
    expect(attempts[0]).toMatchObject({ error: 'secret' });
    expect(receiver.connections).toBe(0);
  });
});
