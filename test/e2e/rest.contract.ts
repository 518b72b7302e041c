import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { newName, newPhone, type HttpAnswer } from '../client.js';
import { PIN, POLICY, WRONG, type World } from './world.js';

const UUID = /^[0-9a-f-]{36}$/;
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** The fields that the tests read. */
type Schemas = Record<string, Schema>;
interface Schema {
  readonly properties: Record<string, unknown>;
}

/** Verifications and management over the REST interface. */
export function restApi(world: () => World): void {
  const isProblem = (answer: HttpAnswer, status: number, type: string): void => {
    expect([answer.status, answer.json['type']]).toEqual([status, `urn:countersign:problem:${type}`]);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  };

  it('verifies by the id of the subject and by telephone, in any spelling', async () => {
    const { client, agent, enrol } = world();
    const { subject, phone } = await enrol();
    const spelled = `${phone.slice(0, 2)} (${phone.slice(2, 5)}) ${phone.slice(5, 8)}-${phone.slice(8)}`;
    for (const who of [{ subject }, { phone }, { phone: spelled }]) {
      const { status, json } = await client.verify(agent, { ...who, pin: PIN });
      expect([status, json]).toEqual([
        200,
        {
          verificationId: expect.stringMatching(UUID),
          outcome: 'verified',
          level: 'verified',
          receipt: expect.stringMatching(JWT),
        },
      ]);
    }
  });

  it('counts attempts over both adapters in one window, and shows the lock in the state', async () => {
    const { client, tenant, agent, enrol } = world();
    const { subject, phone } = await enrol();
    expect((await client.verify(agent, { subject, pin: WRONG })).json).toMatchObject({
      outcome: 'rejected',
      level: 'none',
    });
    await client.swaig(agent, { pin: WRONG, caller: phone });
    expect(await client.state(tenant, subject)).toMatchObject({
      subject,
      pinEnrolled: true,
      phones: [expect.stringMatching(/^\+1…\d\d$/)],
      attemptsInWindow: 2,
    });
    expect((await client.verify(agent, { phone, pin: WRONG })).json).toMatchObject({ outcome: 'locked' });
    expect((await client.verify(agent, { subject, pin: PIN })).json).toMatchObject({
      outcome: 'locked',
      level: 'none',
    });
    const { lockedUntil } = await client.state(tenant, subject);
    expect(Date.parse(String(lockedUntil))).toBeGreaterThan(Date.now());
  });

  it('shows each credential with its own counter and lock, in the documented fields', async () => {
    const { client, tenant, enrol } = world();
    const { subject, phone } = await enrol();
    const questions = [{ name: 'zip_code', description: 'ZIP code', kind: 'zip' }];
    const asking = await client.createAgent(tenant, { knowledge: { questions } });
    const path = `/v1/tenants/${tenant}/subjects/${subject}`;
    await client.manage('PUT', `${path}/knowledge`, { answers: { zip_code: '90210' } }, [204]);
    await client.verify(asking, { subject, pin: WRONG });
    const wrong = { method: 'knowledge', phone, answers: { zip_code: '10001' } };
    for (let n = 0; n < 3; n++) await client.agentRequest(asking, 'POST', '/v1/verifications', wrong);
    const state = await client.state(tenant, subject);
    expect(state).toMatchObject({
      ...{ pinEnrolled: true, knowledgeEnrolled: true, attemptsInWindow: 1, consecutiveFailures: 1, disabled: false },
      credentials: [
        { method: 'pin', attemptsInWindow: 1, consecutiveFailures: 1, disabled: false },
        { method: 'knowledge', lockedUntil: expect.any(String), consecutiveFailures: 3, disabled: false },
      ],
    });
    const { components } = (await client.manage('GET', '/openapi.json')).json as { components: { schemas: Schemas } };
    const { SubjectDetails, CredentialDetails } = components.schemas;
    expect(Object.keys(SubjectDetails?.properties ?? {})).toEqual(expect.arrayContaining(Object.keys(state)));
    const described = new Set(Object.keys(CredentialDetails?.properties ?? {}));
    const shown = (state['credentials'] as object[]).flatMap((credential) => Object.keys(credential));
    expect(shown.filter((field) => !described.has(field))).toEqual([]);
    expect(state).not.toHaveProperty('lockedUntil');
  });

  it('locks out unrecognized callers but not the recognized one, until an administrator unlocks the subject', async () => {
    const { client, tenant, agent, enrol } = world();
    const { subject, phone } = await enrol();
    const verified = async (caller: string): Promise<boolean> =>
      (await client.swaig(agent, { pin: PIN, customerId: subject, caller })).text.includes('"verified":true');
    expect(await verified(phone)).toBe(true);
    for (let n = 0; n < 4; n++) await client.swaig(agent, { pin: WRONG, customerId: subject, caller: newPhone() });
    expect([await verified(newPhone()), await verified(phone), await verified(newPhone())]).toEqual([
      false,
      true,
      false,
    ]);
    const unlock = `/v1/tenants/${tenant}/subjects/${subject}/unlock`;
    isProblem(await client.manage('POST', unlock, {}, [422]), 422, 'invalid-request');
    await client.manage('POST', unlock, { reason: 'called back at the number on file' }, [204]);
    expect(await verified(newPhone())).toBe(true);
    isProblem(
      await client.manage('POST', unlock.replace(subject, newName('nobody')), { reason: 'none' }, [404]),
      404,
      'not-found',
    );
  });

  it('disables a PIN at its failure cap until it is enrolled again, and gives the answer of a lock', async () => {
    const { client, tenant, enrol } = world();
    const { subject } = await enrol();
    const wide = await client.createAgent(tenant, {
      attempts: { perWindow: 100 },
      // Without a number of the caller, the limit of the subject applies.
      limits: { subject: { limit: 1000, periodSeconds: 60 }, caller: { limit: 1000, periodSeconds: 60 } },
    });
    const guess = async (pin: string): Promise<unknown> =>
      (await client.verify(wide, { subject, pin })).json['outcome'];
    // Five digits: 25.
    const outcomes = [];
    for (let n = 0; n < 25; n++) outcomes.push(await guess(WRONG));
    expect(outcomes).toEqual([...Array<string>(24).fill('rejected'), 'locked']);
    expect(await guess(PIN)).toBe('locked');
    const path = `/v1/tenants/${tenant}/subjects/${subject}`;
    await client.manage('POST', `${path}/unlock`, { reason: 'asked to' }, [204]);
    expect(await guess(PIN)).toBe('locked');
    // Not 25, which would reveal how many digits it has.
    expect(await client.state(tenant, subject)).toMatchObject({ disabled: true, consecutiveFailures: 10 });
    await client.putPin(tenant, subject, PIN);
    expect(await client.state(tenant, subject)).toMatchObject({ disabled: false, consecutiveFailures: 0 });
    expect(await guess(PIN)).toBe('verified');
  });

  it('answers a repeated Idempotency-Key with the first answer, and refuses another payload under it', async () => {
    const { client, tenant, agent, enrol } = world();
    const { subject } = await enrol();
    const key = { 'idempotency-key': randomUUID() };
    const first = await client.verify(agent, { subject, pin: WRONG }, key);
    const again = await client.verify(agent, { subject, pin: WRONG }, key, 1);
    expect(first.json).toMatchObject({ outcome: 'rejected' });
    expect(again.text).toBe(first.text);
    isProblem(await client.verify(agent, { subject, pin: PIN }, key), 422, 'idempotency-mismatch');
    expect(await client.state(tenant, subject)).toMatchObject({ attemptsInWindow: 1 });
  });

  it('shows a tenant no data of another tenant', async () => {
    const { client, tenant, agent, enrol } = world();
    const { subject, phone } = await enrol();
    const other = newName('tenant');
    await client.putTenant(other, POLICY);
    const stranger = await client.createAgent(other);
    for (const who of [{ subject }, { phone }]) {
      const { json } = await client.verify(stranger, { ...who, pin: PIN });
      expect(json).toEqual({ verificationId: expect.stringMatching(UUID), outcome: 'rejected', level: 'none' });
    }
    expect(await client.state(tenant, subject)).toMatchObject({ attemptsInWindow: 0 });
    isProblem(
      await client.manage('GET', `/v1/tenants/${other}/subjects/${subject}`, undefined, [404]),
      404,
      'not-found',
    );
    const [url = ''] = client.product.restUrls();
    for (const { apiKey } of [stranger, agent]) {
      const get = { headers: { authorization: `Bearer ${apiKey}` } };
      isProblem(await client.request(`${url}/v1/tenants/${tenant}/subjects/${subject}`, get), 404, 'not-found');
    }
  });

  it('refuses unreadable and unsupported requests, each with a problem type of its own', async () => {
    const { client, agent } = world();
    const [url = ''] = client.product.restUrls();
    const post = (body: string, key = agent.apiKey, type = 'application/json'): Promise<HttpAnswer> => {
      const headers = { authorization: `Bearer ${key}`, 'content-type': type };
      return client.request(`${url}/v1/verifications`, { method: 'POST', headers, body });
    };
    const body = { method: 'pin', subject: newName('nobody'), pin: WRONG };
    isProblem(await post('{'), 400, 'malformed-json');
    isProblem(await post(JSON.stringify(body), 'no-such-key'), 401, 'unauthorized');
    isProblem(await post(JSON.stringify(body), client.product.adminKey), 403, 'forbidden');
    isProblem(await post(JSON.stringify({ ...body, filler: 'x'.repeat(256 * 1024) })), 413, 'too-large');
    isProblem(await post(JSON.stringify(body), agent.apiKey, 'text/plain'), 415, 'unsupported-media-type');
    const faults = [
      '[]',
      JSON.stringify({ ...body, pin: 99481 }),
      JSON.stringify({ ...body, pin: '123' }),
      JSON.stringify({ ...body, phone: newPhone() }),
      JSON.stringify({ ...body, extra: 1 }),
    ];
    for (const fault of faults) isProblem(await post(fault), 422, 'invalid-request');
  });

  it('refuses a weak PIN and a telephone number of another subject, and repeats neither', async () => {
    const { client, tenant, enrol } = world();
    const { subject, phone } = await enrol();
    const weak = await client.manage(
      'PUT',
      `/v1/tenants/${tenant}/subjects/${subject}/pin`,
      { pin: '33333333' },
      [422],
    );
    isProblem(weak, 422, 'invalid-request');
    const twin = { phones: [phone] };
    const taken = await client.manage('PUT', `/v1/tenants/${tenant}/subjects/${newName('twin')}`, twin, [409]);
    isProblem(taken, 409, 'conflict');
    expect(weak.text).not.toContain('33333333');
    expect(taken.text).not.toContain(phone.slice(2));
  });

  it('keeps fields that a PUT of a subject omits, and clears fields with a PATCH', async () => {
    const { client, tenant, agent, enrol } = world();
    const { subject, phone } = await enrol();
    const path = `/v1/tenants/${tenant}/subjects/${subject}`;
    const greeting = async (caller: string): Promise<string> => (await client.swaig(agent, { pin: PIN, caller })).text;
    const next = newPhone();
    await client.manage('PUT', path, { phones: [phone, next] });
    expect(await greeting(next)).toContain('Thank you, Alex.');
    await client.manage('PATCH', path, { displayName: null });
    expect(await greeting(next)).toContain('Thank you, you are verified.');
    isProblem(await client.manage('PATCH', path.replace(subject, newName('nobody')), {}, [404]), 404, 'not-found');
  });

  it('refuses text that PostgreSQL cannot store, names that are taken, and invalid telephone numbers', async () => {
    const { client, tenant, agent } = world();
    const questions = (name: string) => ({ knowledge: { questions: [{ name, description: 'Pet', kind: 'text' }] } });
    const policy = `/v1/tenants/${tenant}/agents/${agent.agent}/policy`;
    const subject = `/v1/tenants/${tenant}/subjects/${newName('customer')}`;
    const faults: [path: string, body: object][] = [
      [policy, { texts: { 'en-US': { verified: 'Hello \ud800' } } }],
      [policy, { texts: { 'en-US': { verified: 'Hello \0' } } }],
      ...['customer_id', 'pin', 'constructor'].map((name): [string, object] => [policy, questions(name)]),
      [subject, { displayName: '\udc00' }],
      [subject, { phones: ['+86282452253'] }],
    ];
    for (const [path, body] of faults) isProblem(await client.manage('PUT', path, body, [422]), 422, 'invalid-request');
  });

  it('distinguishes answers by marks that are letters of their own, but not by accents or letters that are hard to type', async () => {
    const { client, tenant, enrol } = world();
    const asking = await client.createAgent(tenant, {
      knowledge: { questions: [{ name: 'pet', description: 'Name of the first pet', kind: 'text' }] },
    });
    const outcome = async (stored: string, said: string): Promise<unknown> => {
      const { subject } = await enrol();
      const path = `/v1/tenants/${tenant}/subjects/${subject}/knowledge`;
      await client.manage('PUT', path, { answers: { pet: stored } }, [204]);
      const guess = { method: 'knowledge', subject, answers: { pet: said } };
      return (await client.agentRequest(asking, 'POST', '/v1/verifications', guess)).json['outcome'];
    };
    for (const [stored, said] of [
      ['กิน', 'กัน'],
      ['कि', 'की'],
      ['ガス', 'カス'],
    ] as const) {
      expect([said, await outcome(stored, said)]).toEqual([said, 'rejected']);
    }
    for (const [stored, said] of [
      ['Søren', 'Soren'],
      ['Iʻolani', 'Iolani'],
      ['DʼArcy', 'DArcy'],
    ] as const) {
      expect([said, await outcome(stored, said)]).toEqual([said, 'verified']);
    }
  });

  it('shows the effective policy with the level of each value, and answers a change with the policy and its ETag', async () => {
    const { client, tenant } = world();
    const { agent } = await client.createAgent(tenant, { attempts: { lockSeconds: 1800 } });
    const path = `/v1/tenants/${tenant}/agents/${agent}/policy`;
    const read = await client.manage('GET', path);
    expect(read.json).toMatchObject({
      ...{ tenant, agent, policy: { attempts: { lockSeconds: 1800 } } },
      sources: { attempts: { lockSeconds: 'agent', maxLockSeconds: 'default' }, trustsCallsOf: 'default' },
    });
    const changed = await client.manage('PUT', path, { verifiedSeconds: 60 });
    expect(changed.json).toMatchObject({ policy: { verifiedSeconds: 60 }, sources: { verifiedSeconds: 'agent' } });
    const etag = String(changed.headers.get('etag'));
    expect([read.headers.get('etag') === etag, (await client.manage('GET', path)).headers.get('etag')]).toEqual([
      ...[false, etag],
    ]);
  });

  it('lists an override that was set for a telephone number, and deletes it', async () => {
    const { client, tenant } = world();
    const path = `/v1/tenants/${tenant}/overrides`;
    const phone = newPhone();
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const body = { dimension: 'caller', phone, limit: 3, periodSeconds: 60, reason: 'ticket 7', expiresAt };
    const { json: created } = await client.manage('POST', path, body);
    expect(created).toMatchObject({ dimension: 'caller', limit: 3, shadow: false, reason: 'ticket 7', expiresAt });
    expect(JSON.stringify(created)).not.toContain(phone.slice(-7));
    const list = async (): Promise<unknown> =>
      (await client.manage('GET', `${path}?phone=${encodeURIComponent(phone)}`)).json['items'];
    expect(await list()).toEqual([created]);
    const one = `${path}/${String(created['id'])}`;
    expect((await client.manage('GET', one)).json).toEqual(created);
    await client.manage('DELETE', one, undefined, [204]);
    expect(await list()).toEqual([]);
    isProblem(await client.manage('DELETE', one, undefined, [404]), 404, 'not-found');
  });
}
