import { expect, it } from '@jest/globals';
import { eventually } from '@countersign/testing';
import { newName, newPhone, type HttpAnswer } from '../client.js';
import { PIN, POLICY, WRONG, type World } from './world.js';

interface Page {
  readonly items: readonly Readonly<Record<string, unknown>>[];
  readonly nextCursor: string | null;
}

/** Lists of subjects, the removal of their credentials, and the deletion of a tenant, over the REST interface. */
export function subjects(world: () => World): void {
  const typeOf = ({ status, json }: HttpAnswer): unknown[] => [status, json['type']];
  const problem = (status: number, type: string): unknown[] => [status, `urn:countersign:problem:${type}`];

  it('answers a change of a subject with the subject, in the form in which it is read and listed', async () => {
    const { client, tenant } = world();
    const path = `/v1/tenants/${tenant}/subjects/${newName('customer')}`;
    const phone = newPhone();
    const body = { phones: [phone], displayName: 'Ada', locale: 'en-US' };
    const created = (await client.manage('PUT', path, body, [201])).json;
    expect(created).toMatchObject({
      ...{ displayName: 'Ada', locale: 'en-US', phones: [`+1…${phone.slice(-2)}`] },
      ...{ pinEnrolled: false, credentials: [] },
    });
    const patched = (await client.manage('PATCH', path, { displayName: null }, [200])).json;
    expect(patched).toMatchObject({ locale: 'en-US' });
    expect(patched).not.toHaveProperty('displayName');
    expect((await client.manage('GET', path)).json).toEqual(patched);
    const query = `?phone=${encodeURIComponent(phone)}`;
    for (const spelled of [query, `?phone=${phone}`]) {
      const page = (await client.manage('GET', `/v1/tenants/${tenant}/subjects${spelled}`)).json as unknown as Page;
      expect(page).toEqual({ items: [patched], nextCursor: null });
    }
    const search = `/v1/tenants/${tenant}/subjects:search`;
    expect((await client.manage('POST', search, { phone })).json).toEqual({ items: [patched], nextCursor: null });
    expect((await client.manage('POST', search, { phone: newPhone() })).json['items']).toEqual([]);
    const byId = await client.manage('POST', search, { subject: patched['subject'] });
    expect(byId.json).toEqual({ items: [patched], nextCursor: null });
    expect((await client.manage('POST', search, { subject: 'nobody' })).json['items']).toEqual([]);
    await client.manage('POST', search, { phone, subject: 'nobody' }, [422]);
  });

  it('lists the subjects of a tenant page by page, and creates none for a tenant that does not exist', async () => {
    const { client } = world();
    const tenant = newName('tenant');
    await client.putTenant(tenant, POLICY);
    const path = `/v1/tenants/${tenant}/subjects`;
    const ids = ['b', 'B', 'a_1', 'a-1', 'c'];
    for (const id of ids) await client.putSubject(tenant, id, {});
    await client.putPin(tenant, 'B', PIN);
    const list = async (query: string): Promise<[string, string | null]> => {
      const page = (await client.manage('GET', `${path}?${query}`)).json as unknown as Page;
      return [page.items.map(({ subject }) => subject).join(' '), page.nextCursor];
    };
    expect(await list('limit=2')).toEqual(['B a-1', 'a-1']);
    expect(await list('limit=2&cursor=a-1')).toEqual(['a_1 b', 'b']);
    expect(await list('limit=2&cursor=b')).toEqual(['c', null]);
    expect(await list('credential=none')).toEqual(['a-1 a_1 b c', null]);
    expect(await list('credential=locked')).toEqual(['', null]);
    expect(typeOf(await client.manage('GET', `${path}?phone=5`, undefined, [422]))).toEqual(
      problem(422, 'invalid-request'),
    );
    const missing = `/v1/tenants/${newName('missing')}/subjects`;
    await client.manage('GET', missing, undefined, [404]);
    await client.manage('PUT', `${missing}/a`, {}, [404]);
  });

  it('answers attempts at a removed PIN as if none had been enrolled, and keeps counting them', async () => {
    const { client, tenant, agent, enrol } = world();
    const { subject } = await enrol();
    const { subject: other } = await enrol();
    const path = `/v1/tenants/${tenant}/subjects`;
    await client.manage('DELETE', `${path}/${subject}/pin`, undefined, [204]);
    await client.manage('DELETE', `${path}/${subject}/pin`, undefined, [404]);
    await client.manage('DELETE', `${path}/${subject}/knowledge`, undefined, [404]);
    expect(await client.state(tenant, subject)).toMatchObject({ pinEnrolled: false, credentials: [] });
    const bare = newName('customer');
    await client.putSubject(tenant, bare, {});
    const outcomes = async (who: string, pin: string): Promise<unknown[]> => {
      const results: unknown[] = [];
      for (let n = 0; n < 4; n++) {
        const { json } = await client.verify(agent, { subject: who, pin });
        results.push([json['outcome'], Object.keys(json)]);
      }
      return results;
    };
    const expected = await outcomes(bare, PIN);
    expect(await outcomes(subject, PIN)).toEqual(expected);
    expect(await outcomes(other, WRONG)).toEqual(expected);
    // The lock stays, and so does the history: the removed PIN is one of the last five.
    const again = await client.manage('PUT', `${path}/${subject}/pin`, { pin: PIN }, [422]);
    expect(again.json['violations']).toMatchObject([{ field: 'pin' }]);
    await client.putPin(tenant, subject, '71946');
    expect((await client.verify(agent, { subject, pin: '71946' })).json['outcome']).toBe('locked');
  });

  it('ends a verification with the removal of the PIN that was compared', async () => {
    const { client, tenant, agent, enrol } = world();
    const { subject } = await enrol();
    const callId = newName('call');
    const { json } = await client.verify(agent, { subject, pin: PIN, callId });
    const receipt = String(json['receipt']);
    const active = async (): Promise<unknown> =>
      (await client.agentRequest(agent, 'POST', '/v1/receipts/introspect', { receipt })).json['active'];
    const verified = async (): Promise<unknown> =>
      (await client.agentRequest(agent, 'GET', `/v1/calls/${callId}/verification`)).json['verified'];
    expect([await active(), await verified()]).toEqual([true, true]);
    await client.manage('DELETE', `/v1/tenants/${tenant}/subjects/${subject}/pin`, undefined, [204]);
    expect([await active(), await verified()]).toEqual([false, false]);
  });

  it('deletes a tenant in two steps, with everything in it, and leaves nothing to a new one of the same id', async () => {
    const { client } = world();
    const tenant = newName('tenant');
    const path = `/v1/tenants/${tenant}`;
    await client.putTenant(tenant, POLICY);
    const agent = await client.createAgent(tenant);
    const phone = newPhone();
    await client.putSubject(tenant, 'alice', { phones: [phone] });
    await client.putPin(tenant, 'alice', PIN);
    for (let n = 0; n < 4; n++) await client.verify(agent, { subject: 'alice', pin: WRONG });
    expect(await client.state(tenant, 'alice')).toHaveProperty('lockedUntil');
    expect(typeOf(await client.manage('DELETE', path, undefined, [409]))).toEqual(problem(409, 'not-disabled'));
    await client.manage('POST', `${path}/disable`, {}, [200]);
    expect((await client.manage('DELETE', path, undefined, [202])).json).toMatchObject({ state: 'deleting' });
    await eventually('the tenant is deleted', async () => {
      const { status } = await client.manage('GET', path, undefined, [200, 404]);
      return status === 404;
    });
    await client.manage('GET', `${path}/subjects/alice`, undefined, [404]);
    await client.manage('PUT', `${path}/subjects/alice`, {}, [404]);
    await client.manage('GET', `${path}/agents`, undefined, [404]);
    await client.putTenant(tenant, POLICY);
    expect((await client.manage('GET', `${path}/agents`)).json).toMatchObject({ items: [] });
    expect((await client.manage('GET', `${path}/subjects`)).json).toMatchObject({ items: [] });
    const created = (await client.manage('PUT', `${path}/subjects/alice`, { phones: [phone] }, [201])).json;
    expect(created).toMatchObject({ attemptsInWindow: 0, consecutiveFailures: 0, disabled: false, credentials: [] });
    await client.putPin(tenant, 'alice', PIN);
    const again = await client.createAgent(tenant);
    expect((await client.verify(again, { subject: 'alice', pin: PIN })).json['outcome']).toBe('verified');
  });
}
