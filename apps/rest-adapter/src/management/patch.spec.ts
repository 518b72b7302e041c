import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ADMIN_KEY, RestTestBed } from '../../test/test-bed.js';

const TENANT = '/v1/tenants/acme';
const SUBJECT = `${TENANT}/subjects/c-1`;

describe('a change of a resource', () => {
  let bed: RestTestBed;
  beforeAll(async () => {
    bed = await RestTestBed.open();
    bed.answer = () => ({ answer: 'updated' });
  });
  afterAll(() => bed.close());

  const call = (method: string, path: string, body?: unknown) => bed.call(method, path, { key: ADMIN_KEY, body });
  const fields = (): Record<string, unknown> => bed.commands.at(-1)?.fields ?? {};

  it('encrypts null for each field that a patch of a subject clears, and creates no subject', async () => {
    await call('PATCH', SUBJECT, { phones: null, displayName: null, locale: 'en-US' });
    expect(await bed.unsealed()).toEqual({ phones: null, displayName: null, locale: 'en-US' });
    expect(fields()['mustExist']).toBe(true);
    await call('PATCH', SUBJECT, {});
    expect(await bed.unsealed()).toEqual({});
  });

  it('accepts a patch as application/merge-patch+json and as application/json', async () => {
    for (const contentType of ['application/merge-patch+json', 'application/json']) {
      expect(
        (
          await bed.call('PATCH', SUBJECT, {
            ...{ key: ADMIN_KEY, body: { locale: null } },
            headers: { 'content-type': contentType },
          })
        ).status,
      ).toBe(200);
    }
  });

  it('accepts a body that begins with a byte order mark', async () => {
    expect((await call('PUT', SUBJECT, '\ufeff{"locale":"en-US"}')).status).toBe(200);
    expect(await bed.unsealed()).toEqual({ locale: 'en-US' });
    expect((await call('POST', `${TENANT}/agents/desk/rotate`, '\ufeff')).status).toBe(200);
  });

  it('publishes the fields that were sent, and whether they set or merge', async () => {
    await call('PUT', TENANT, { name: 'Acme' });
    const sent = { tenant: 'acme', mode: 'set', name: 'Acme' };
    expect(fields()).toEqual({ ...sent, commandId: expect.any(String), actor: expect.anything() });
    await call('PATCH', TENANT, { policy: { greetByName: null } });
    expect(fields()).toMatchObject({ mode: 'merge', policy: { greetByName: null } });
    expect(fields()['name']).toBeUndefined();
    await call('PATCH', `${TENANT}/agents/desk`, { policy: null });
    expect(fields()).toMatchObject({ agent: 'desk', mode: 'merge', policy: null });
    await call('PUT', `${TENANT}/agents/desk/policy`, { knowledge: { waiver: null } });
    expect(fields()).toMatchObject({ agent: 'desk', mode: 'set', policy: { knowledge: { waiver: null } } });
    await call('PATCH', `${TENANT}/agents/desk/policy`, { knowledge: { waiver: null } });
    expect(fields()).toMatchObject({ agent: 'desk', mode: 'merge', policy: { knowledge: { waiver: null } } });
  });
});
