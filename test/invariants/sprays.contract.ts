import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually } from '@countersign/testing';
import { AuditEvents, type AuditEvent } from '../audit-events.js';
import { Client, newName, newPhone, type Agent, type HttpAnswer, type Json } from '../client.js';
import { type SeparateProduct } from '../product.js';

const SUBJECTS = 200;
const REPORTED_WITHIN_MS = 60_000;
/** How many subjects one caller may attempt under the default policy. */
const SUBJECTS_PER_CALLER = 5;

/** Runs under the default policy: the limits that stop a spray must not prevent its report. */
export function sprays(product: () => SeparateProduct): void {
  const tenant = newName('tenant');
  const subjects = Array.from({ length: SUBJECTS }, () => newName('target'));
  let client: Client;
  let events: AuditEvents;
  let agent: Agent;

  beforeAll(async () => {
    client = new Client(product());
    events = await AuditEvents.follow(product());
    await client.putTenant(tenant);
    agent = await client.createAgent(tenant);
    await Promise.all(
      subjects.map(async (subject) => {
        await client.putSubject(tenant, subject);
        await client.putPin(tenant, subject, '48213');
      }),
    );
  }, 180_000);
  afterAll(() => events.close());

  async function spray(pin: string, callerOf: () => string): Promise<HttpAnswer[]> {
    return Promise.all(subjects.map((customerId) => client.swaig(agent, { pin, customerId, caller: callerOf() })));
  }

  /** The signals of one kind that name a caller, or those that name none. */
  const signals = (kind: string, about: 'caller' | 'agent'): readonly AuditEvent[] =>
    events
      .ofTenants([tenant])
      .filter(
        ({ type, value }) =>
          type === `countersign.${kind}.v1` && 'caller_tail' in unmapped(value) === (about === 'caller'),
      );

  const first = (kind: string, about: 'caller' | 'agent', begun: number): Promise<AuditEvent> =>
    eventually(`${kind} is reported`, () => signals(kind, about)[0], begun + REPORTED_WITHIN_MS - Date.now());

  const refusals = (): number =>
    events
      .ofTenants([tenant])
      .filter(({ type }) => type === 'countersign.limit.refused.v1')
      .reduce((sum, { value }) => sum + Number((unmapped(value)['detail'] as Json)['count']), 0);

  it('from one number is reported within a minute, although the limits stop it after five subjects', async () => {
    const caller = newPhone();
    const begun = Date.now();
    const answers = await spray('99481', () => caller);
    const { value } = await first('signal.spray', 'caller', begun);
    expect(unmapped(value)).toMatchObject({
      agent: agent.agent,
      caller_tail: caller.slice(-2),
      detail: { subjects: 10 },
    });
    expect([saying('does not match', answers), saying('too many requests', answers)]).toEqual([
      SUBJECTS_PER_CALLER,
      SUBJECTS - SUBJECTS_PER_CALLER,
    ]);
    expect(JSON.stringify(value)).not.toContain(caller);
    // The adapter refused most of them itself; every refusal must still be recorded.
    await eventually('every refusal is recorded', () => refusals() === SUBJECTS - SUBJECTS_PER_CALLER, 30_000);
  }, 120_000);

  it('from two hundred numbers is reported within a minute, once for the PIN and once for the agent, without the PIN', async () => {
    const begun = Date.now();
    const answers = await spray('73920516', newPhone);
    const byPin = await first('signal.pin_spray', 'agent', begun);
    const byAgent = await first('signal.spray', 'agent', begun);
    expect(unmapped(byPin.value)).toMatchObject({ agent: agent.agent, detail: { subjects: 10 } });
    expect(unmapped(byAgent.value)).toMatchObject({ agent: agent.agent, detail: { subjects: 100 } });
    expect(saying('does not match', answers)).toBe(SUBJECTS);
    for (const { value } of [byPin, byAgent]) expect(JSON.stringify(value)).not.toContain('73920516');
  }, 120_000);

  it('from ten numbers at one subject is reported under the key of its attempts, without the name of the subject', async () => {
    const subject = subjects[0] ?? '';
    const begun = Date.now();
    await Promise.all(
      Array.from({ length: 10 }, () => client.swaig(agent, { pin: '99481', customerId: subject, caller: newPhone() })),
    );
    const { value } = await first('signal.distributed', 'caller', begun);
    const attempts = events
      .ofTenants([tenant])
      .filter(({ type, value: { user } }) => type.includes('attempt.') && (user as Json)['uid'] === subject);
    expect(attempts.map((one) => unmapped(one.value)['subject_key'])).toContain(unmapped(value)['subject_key']);
    expect(JSON.stringify(value)).not.toContain(subject);
  }, 120_000);
}

function saying(words: string, answers: readonly HttpAnswer[]): number {
  return answers.filter(({ json }) => String(json['response']).includes(words)).length;
}

function unmapped(value: Json): Json {
  return value['unmapped'] as Json;
}
