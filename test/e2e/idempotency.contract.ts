import { randomUUID } from 'node:crypto';
import { beforeAll, expect, it } from '@jest/globals';
import { Client as Database } from 'pg';
import { newPin, type Agent, type AttemptRequestBody, type HttpAnswer } from '../client.js';
import { type SeparateProduct } from '../product.js';
import { openWorld, PIN, WRONG, type World } from './world.js';

const PARALLEL = 20;

export function idempotency(product: () => SeparateProduct): void {
  let world: World;

  beforeAll(async () => {
    world = await openWorld(product());
    expect(product().restUrls()).toHaveLength(2);
  });

  const newKey = (): Record<string, string> => ({ 'idempotency-key': randomUUID() });
  const verify = (attempt: AttemptRequestBody, key: Record<string, string>, copy = 0, agent = world.agent) =>
    world.client.verify(agent, attempt, key, copy);
  const attemptsAt = async (subject: string): Promise<unknown> =>
    (await world.client.state(world.tenant, subject))['attemptsInWindow'];
  const typeOf = ({ json }: HttpAnswer): unknown => String(json['type']).replace('urn:countersign:problem:', '');

  it(`leads to one attempt and one answer for ${PARALLEL} requests in parallel, or to 409 while the first is in flight`, async () => {
    const { subject } = await world.enrol();
    const key = newKey();
    const requests = Array.from({ length: PARALLEL }, (_, n) => verify({ subject, pin: WRONG }, key, n));
    const answers = await Promise.all(requests);
    const answered = answers.filter(({ status }) => status === 200);
    const inFlight = answers.filter(({ status }) => status !== 200);
    expect(inFlight.map((one) => [one.status, typeOf(one)])).toEqual(
      inFlight.map(() => [409, 'idempotency-in-flight']),
    );
    expect(answered.length).toBeGreaterThan(0);
    expect(new Set(answered.map(({ text }) => text)).size).toBe(1);
    expect(answered[0]?.json).toMatchObject({ outcome: 'rejected', verificationId: expect.any(String) });
    // Both adapters return the answer again, and no request has cost a further attempt.
    for (const copy of [0, 1]) {
      expect((await verify({ subject, pin: WRONG }, key, copy)).text).toBe(answered[0]?.text);
    }
    expect(await attemptsAt(subject)).toBe(1);
  });

  it('leads to one attempt when two payloads arrive in parallel under one key, and to 422 for the other payload', async () => {
    const { subject } = await world.enrol();
    const key = newKey();
    const pins = [WRONG, '99482'];
    const requests = Array.from({ length: PARALLEL }, async (_, n) => {
      const pin = pins[Math.floor(n / 2) % 2] ?? '';
      return { pin, answer: await verify({ subject, pin }, key, n) };
    });
    const answers = await Promise.all(requests);
    const first = answers.find(({ answer }) => answer.status === 200);
    for (const { pin, answer } of answers) {
      const allowed = pin === first?.pin ? ['undefined', 'idempotency-in-flight'] : ['idempotency-mismatch'];
      expect(allowed).toContain(typeOf(answer));
    }
    const other = pins.find((pin) => pin !== first?.pin) ?? '';
    for (const copy of [0, 1])
      expect(typeOf(await verify({ subject, pin: other }, key, copy))).toBe('idempotency-mismatch');
    expect(await attemptsAt(subject)).toBe(1);
  });

  it('returns a success again at either adapter while it holds, and 409 once the PIN was changed', async () => {
    const { subject } = await world.enrol();
    const key = newKey();
    const { json } = await verify({ subject, pin: PIN }, key, 0);
    expect(json).toMatchObject({ outcome: 'verified', level: 'verified' });
    const again = await verify({ subject, pin: PIN }, key, 1);
    expect(again.json).toMatchObject({ outcome: 'verified', verificationId: json['verificationId'] });
    await world.client.putPin(world.tenant, subject, newPin());
    for (const copy of [0, 1]) {
      const ended = await verify({ subject, pin: PIN }, key, copy);
      expect([ended.status, typeOf(ended)]).toEqual([409, 'verification-ended']);
    }
  });

  it('counts a new attempt after the key has expired', async () => {
    const { subject } = await world.enrol();
    const key = newKey();
    const first = await verify({ subject, pin: WRONG }, key, 0);
    const database = new Database({ connectionString: product().databaseUrl });
    await database.connect();
    const sql = `UPDATE verification.commands SET repeat_until = received_at WHERE attempt_id = $1`;
    expect((await database.query(sql, [first.json['verificationId']])).rowCount).toBe(1);
    await database.end();
    const second = await verify({ subject, pin: WRONG }, key, 1);
    expect(second.json).toMatchObject({ outcome: 'rejected', verificationId: expect.any(String) });
    expect(second.json['verificationId']).not.toBe(first.json['verificationId']);
    expect(await attemptsAt(subject)).toBe(2);
  });

  it('means nothing to another agent of the tenant', async () => {
    const { subject } = await world.enrol();
    const other = await world.client.createAgent(world.tenant);
    const key = newKey();
    const first = await verify({ subject, pin: WRONG }, key);
    const ofOther = await verify({ subject, pin: '99482' }, key, 1, other);
    expect(ofOther.json).toMatchObject({ outcome: 'rejected', verificationId: expect.any(String) });
    expect(ofOther.json['verificationId']).not.toBe(first.json['verificationId']);
    expect(await attemptsAt(subject)).toBe(2);
  });

  it('means nothing to an agent that is created under the id of a deleted one', async () => {
    const { client, tenant } = world;
    const { subject } = await world.enrol();
    const before = await client.createAgent(tenant);
    const key = newKey();
    const first = await verify({ subject, pin: WRONG }, key, 0, before);
    await client.manage('DELETE', `/v1/tenants/${tenant}/agents/${before.agent}`);
    const { json } = await client.manage('POST', `/v1/tenants/${tenant}/agents`, { agent: before.agent });
    const after: Agent = { ...before, password: String(json['password']), apiKey: String(json['apiKey']) };
    const second = await verify({ subject, pin: WRONG }, key, 1, after);
    expect(second.json).toMatchObject({ outcome: 'rejected', verificationId: expect.any(String) });
    expect(second.json['verificationId']).not.toBe(first.json['verificationId']);
    expect((await verify({ subject, pin: WRONG }, key, 0, after)).text).toBe(second.text);
    expect(await attemptsAt(subject)).toBe(2);
  });
}
