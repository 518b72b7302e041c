import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually } from '@countersign/testing';
import { AuditEvents } from '../audit-events.js';
import { Client, newName, type HttpAnswer, type Json } from '../client.js';
import { type SeparateProduct } from '../product.js';
import { eventReaders } from './event-readers.contract.js';

const KEYS = 20;
/** Within this time a revocation holds everywhere. */
const REVOKED_WITHIN_MS = 1000;

export function apiKeys(product: () => SeparateProduct): void {
  let client: Client;
  let events: AuditEvents;
  const tenant = newName('tenant');
  const other = newName('tenant');
  const path = `/v1/tenants/${tenant}`;

  beforeAll(async () => {
    client = new Client(product());
    events = await AuditEvents.follow(product());
    await Promise.all([client.putTenant(tenant), client.putTenant(other)]);
  });
  afterAll(() => events.close());

  const create = async (fields: Json = {}): Promise<{ id: string; key: string }> => {
    const { json } = await client.manage('POST', `${path}/keys`, { name: 'Test', scopes: ['manage'], ...fields });
    return { id: String(json['id']), key: String(json['key']) };
  };
  const send = (key: string, copy: number, method = 'GET', at = path, body?: unknown): Promise<HttpAnswer> =>
    client.request(`${product().restUrls()[copy] ?? ''}${at}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  /** The status of the very next request at each REST adapter. */
  const statuses = async (key: string): Promise<number[]> =>
    (await Promise.all([0, 1].map((copy) => send(key, copy)))).map(({ status }) => status);

  it(`accepts each of ${KEYS} new keys, and refuses it once it is revoked, at the very next request everywhere`, async () => {
    const revocations = ['disable', 'rotate', 'delete'] as const;
    const durations: number[] = [];
    for (let count = 0; count < KEYS; count++) {
      const { id, key } = await create();
      expect(await statuses(key)).toEqual([200, 200]);
      const began = Date.now();
      switch (revocations[count % revocations.length]) {
        case 'disable':
          await client.manage('POST', `${path}/keys/${id}/disable`, { reason: 'a test' });
          break;
        case 'rotate': {
          const { json } = await client.manage('POST', `${path}/keys/${id}/rotate`, { graceSeconds: 0 });
          expect(await statuses(String(json['key']))).toEqual([200, 200]);
          break;
        }
        default:
          await client.manage('DELETE', `${path}/keys/${id}`);
      }
      expect(await statuses(key)).toEqual([401, 401]);
      durations.push(Date.now() - began);
    }
    durations.sort((a, b) => a - b);
    process.stderr.write(`${KEYS} revocations held everywhere after ${durations.join(', ')} ms\n`);
    // A pause of a busy machine may delay some of them.
    expect(durations[KEYS / 2]).toBeLessThan(REVOKED_WITHIN_MS);
  });

  it('accepts the old text of a rotated key until its grace period ends, and no key after its end', async () => {
    const end = Date.now() + 4000;
    const expiring = await create({ expiresAt: new Date(end).toISOString() });
    const rotated = await create();
    await client.manage('POST', `${path}/keys/${rotated.id}/rotate`, { graceSeconds: 2 });
    expect(await statuses(rotated.key)).toEqual([200, 200]);
    expect(await statuses(expiring.key)).toEqual([200, 200]);
    for (const { key } of [rotated, expiring]) {
      await eventually('the end', async () => (await statuses(key)).every((status) => status === 401), 20_000);
    }
    expect(Date.now()).toBeGreaterThanOrEqual(end);
    expect((await client.manage('GET', `${path}/keys/${expiring.id}`)).json).toMatchObject({ state: 'enabled' });
  });

  it('verifies for its agent, and not once the agent is disabled', async () => {
    const agent = await client.createAgent(tenant);
    const { key } = await create({ scopes: ['verify'], agent: agent.agent });
    const verify = async (): Promise<HttpAnswer[]> =>
      Promise.all(
        [0, 1].map((copy) =>
          send(key, copy, 'POST', '/v1/verifications', { method: 'pin', subject: 'c', pin: '48213' }),
        ),
      );
    expect((await verify()).map(({ json }) => json['outcome'])).toEqual(['rejected', 'rejected']);
    expect(await statuses(key)).toEqual([404, 404]);
    await client.manage('POST', `${path}/agents/${agent.agent}/disable`);
    expect((await verify()).map(({ status }) => status)).toEqual([401, 401]);
  });

  it('shows to a minute when a key was used last, by the id that events show', async () => {
    const { id, key } = await create();
    const since = Date.now();
    expect((await client.manage('GET', `${path}/keys/${id}`)).json['lastUsedAt']).toBeNull();
    await statuses(key);
    const lastUse = async (): Promise<number> =>
      Date.parse(String((await client.manage('GET', `${path}/keys/${id}`)).json['lastUsedAt']));
    await eventually('the last use', async () => (await lastUse()) > since - 1000, 20_000);
    const { json } = await client.manage('GET', `${path}/keys?limit=200`);
    expect((json['items'] as Json[]).map((item) => item['id'])).toContain(id);
    expect(JSON.stringify(json)).not.toContain(key.slice(-20));
  });

  it('names in the event of every change of a tenant who made it, and from where', async () => {
    const { id, key } = await create();
    const manage = async (method: string, at: string, body?: unknown): Promise<void> => {
      const { status, text } = await send(key, 1, method, `${path}${at}`, body);
      expect({ status: status < 300 ? 'success' : status, text: status < 300 ? '' : text }).toEqual({
        ...{ status: 'success', text: '' },
      });
    };
    const [agent, subject] = [newName('agent'), newName('subject')];
    await manage('PUT', '', { name: 'Renamed' });
    await manage('POST', '/agents', { agent });
    await manage('PATCH', `/agents/${agent}`, { name: 'Desk' });
    await manage('POST', `/agents/${agent}/rotate`);
    await manage('POST', `/agents/${agent}/disable`, { reason: 'moved to another tenant' });
    await manage('POST', `/agents/${agent}/enable`);
    await manage('PUT', `/subjects/${subject}`, { displayName: 'Ada' });
    await manage('PUT', `/subjects/${subject}/pin`, { pin: '48217390' });
    await manage('PUT', `/subjects/${subject}/pin`, { pin: '57391842' });
    await manage('POST', `/subjects/${subject}/unlock`, { reason: 'ticket 4711' });
    await manage('POST', '/limits/reset', { dimension: 'subject', subject, reason: 'ticket 4712' });
    const expiresAt = '2099-01-31T12:00:00Z';
    const override = { dimension: 'agent', agent, limit: 5, periodSeconds: 60, reason: 'ticket 4713', expiresAt };
    await manage('POST', '/overrides', override);
    await manage('DELETE', `/subjects/${subject}?reason=ticket+4714`);
    await manage('DELETE', `/agents/${agent}?reason=ticket+4715`);
    await manage('PATCH', `/keys/${id}`, { name: 'New name' });
    const kinds = [
      ...['tenant.changed', 'agent.created', 'policy.changed', 'agent.rotated', 'agent.disabled', 'agent.enabled'],
      ...['subject.changed', 'credential.enrolled', 'credential.changed', 'credential.unlocked', 'subject.erased'],
      ...['limit.reset', 'limit.overridden', 'agent.deleted', 'api_key.changed'],
    ];
    const made = (): Json[] =>
      events
        .ofTenants([tenant])
        .map(({ value }) => value)
        .filter(({ actor }) => ((actor as Json | undefined)?.['user'] as Json | undefined)?.['uid'] === id);
    const kindOf = (value: Json): unknown => (value['unmapped'] as Json)['kind'];
    await eventually('the events', () => kinds.every((kind) => made().some((value) => kindOf(value) === kind)), 30_000);
    for (const value of made()) expect(value['src_endpoint']).toEqual({ ip: '127.0.0.1' });
    const reasons = made().map((value) => ((value['unmapped'] as Json)['detail'] as Json | undefined)?.['reason']);
    // The reason of an unlock is free text about a person, so it is sealed.
    const tickets = ['4712', '4713', '4714', '4715'].map((number) => `ticket ${number}`);
    expect(reasons.filter(Boolean).sort()).toEqual(['moved to another tenant', ...tickets]);
    const unlocked = made().find((value) => kindOf(value) === 'credential.unlocked');
    expect(unlocked?.['unmapped']).toHaveProperty('sealed');
    expect(JSON.stringify(made())).not.toContain('ticket 4711');
  });

  it('gives the key of another tenant the answer for an unknown path, and changes nothing', async () => {
    const { id, key } = await create();
    const { json } = await client.manage('POST', `/v1/tenants/${other}/keys`, { name: 'Other', scopes: ['manage'] });
    const foreign = String(json['key']);
    const missing = await send(foreign, 0, 'GET', '/v1/nothing');
    const calls: [string, string, unknown?][] = [
      ['GET', '/v1/tenants'],
      ['GET', path],
      ['PUT', path, { name: 'Mine' }],
      ['PUT', `/v1/tenants/${newName('tenant')}`, { name: 'New' }],
      ['GET', `${path}/keys`],
      ['GET', `${path}/keys/${id}`],
      ['POST', `${path}/keys`, { name: 'Mine', scopes: ['manage'] }],
      ['POST', `${path}/keys/${id}/rotate`],
      ['DELETE', `${path}/keys/${id}`],
    ];
    for (const [method, at, body] of calls) {
      const { status, text } = await send(foreign, 0, method, at, body);
      expect({ method, at, status, text }).toEqual({ method, at, status: 404, text: missing.text });
    }
    // The same id below its own tenant does not exist either.
    const below = await send(foreign, 0, 'GET', `/v1/tenants/${other}/keys/${id}`);
    expect([below.status, below.text]).toEqual([404, missing.text]);
    expect(await statuses(key)).toEqual([200, 200]);
  });

  eventReaders(() => ({ client, tenant, other }));
}
