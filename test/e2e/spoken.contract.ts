import { randomInt, randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { bodyOf, newPhone, type HttpAnswer, type Json } from '../client.js';
import { PIN, type World } from './world.js';

const WELCOME = 'Thank you, Alex. How can I help you today?';
const ASKED_AGAIN = 'The customer number was not clear. Please give it again, one digit at a time.';

/** Input as callers, models and platforms send it, through `POST /swaig`. */
export function spoken(world: () => World): void {
  /** A function call with exactly this `argument`. */
  const send = (argument: string, caller: unknown = newPhone()): Promise<HttpAnswer> => {
    const { argument: _, ...body } = bodyOf({});
    const rest = JSON.stringify({ ...body, caller_id_num: caller });
    return world().client.post(world().agent, `{"argument":${argument},${rest.slice(1)}`);
  };
  const subjectIn = ({ json }: HttpAnswer): unknown => {
    const actions = (json['action'] ?? []) as readonly Json[];
    return (actions[0]?.['set_global_data'] as Json | undefined)?.['customer_id'];
  };
  const withId = async (subject: string): Promise<void> => {
    const { client, tenant } = world();
    await client.putSubject(tenant, subject, { displayName: 'Alex' });
    await client.putPin(tenant, subject, PIN);
  };
  const digits = (count: number): string =>
    `${randomInt(1, 10)}${String(randomInt(10 ** (count - 1))).padStart(count - 1, '0')}`;

  it('accepts a spoken PIN, and one with keypad endings, prefixes, a decimal part of zero or invisible marks', async () => {
    const { client, tenant, agent, enrol } = world();
    const { subject, phone } = await enrol();
    const forms = [
      ...[`${PIN}#`, `DTMF: ${PIN}#`, `${PIN}.0`, `\u202a${PIN}\u202c`, [...PIN].join('\u200b')],
      ...[
        '\uff14\uff18\uff12\uff11\uff13',
        'fower eight two one tree',
        'Mi PIN es cuatro ocho dos uno tres, por favor',
      ],
    ];
    for (const pin of forms) {
      const { json } = await client.swaig(agent, { pin, caller: phone });
      expect([pin, json['response']]).toEqual([pin, WELCOME]);
    }
    for (const pin of [`${PIN},0`, 'soixante douze un deux', 'not 48213', '48#213']) {
      const { json } = await client.swaig(agent, { pin });
      expect([pin, json['response']]).toEqual([pin, expect.stringMatching(/^A PIN is 4 to 8 digits/)]);
    }
    expect(await client.state(tenant, subject)).toMatchObject({ attemptsInWindow: 0 });
  });

  it('accepts the digits of a keypad entry with the key that ended it', async () => {
    const { client, agent, enrol } = world();
    const { phone } = await enrol();
    const asked = await client.post(agent, JSON.stringify({ ...bodyOf({ caller: phone }), function: 'collect_pin' }));
    const path = /\/swaig\/capture\/[\w.-]+/.exec(asked.text)?.[0] ?? '';
    const { json } = await client.request(`${client.product.swaigUrls()[0]}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ pin: `${PIN}#` }),
    });
    expect(json).toEqual({ status: 'verified', response: WELCOME });
  });

  it('reads arguments from every place where platforms put them, also encoded several times', async () => {
    const { enrol } = world();
    const { phone } = await enrol();
    const args = JSON.stringify({ pin: PIN });
    const [once, twice] = [JSON.stringify(args), JSON.stringify(JSON.stringify(args))];
    for (const argument of [
      `{"parsed":[],"raw":${twice}}`,
      `{"parsed":[${once}],"raw":""}`,
      `{"parsed":[{}],"raw":${once}}`,
      `{"parsed":${once}}`,
      `{"raw":${args}}`,
      args,
      once,
      twice,
    ]) {
      expect([argument, (await send(argument, phone)).json['response']]).toEqual([argument, WELCOME]);
    }
  });

  it('treats the words of models for a missing value as missing, and finds the subject by its number', async () => {
    const { client, agent, enrol } = world();
    const { subject, phone } = await enrol();
    for (const customerId of ['null', 'None', 'N/A', 'unknown', '-', '']) {
      const answer = await client.swaig(agent, { pin: PIN, caller: phone, customerId });
      expect([customerId, subjectIn(answer)]).toEqual([customerId, subject]);
    }
  });

  it('accepts a spoken customer id when the text itself is not a valid id', async () => {
    const { client, tenant, agent } = world();
    const id = digits(6);
    await withId(id);
    const names = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];
    const fullWidth = [...id].map((digit) => String.fromCharCode(0xff10 + Number(digit))).join('');
    const said = [...id].map((digit) => names[Number(digit)]).join(' ');
    for (const customerId of [[...id].join(' '), said, fullWidth, `${id}.`, `${id}#`, `"${id}"`]) {
      expect([customerId, subjectIn(await client.swaig(agent, { pin: PIN, customerId }))]).toEqual([customerId, id]);
    }
    expect((await client.swaig(agent, { pin: PIN, customerId: 'forty 2' })).json).toEqual({ response: ASKED_AGAIN });
    await client.manage('PUT', `/v1/tenants/${tenant}/subjects/${id}.`, {}, [422]);
  });

  it('never rounds a numeric customer id: it keeps the digits of the model, or requests the id again', async () => {
    const { client, tenant, agent } = world();
    // Two customer ids that are the same number after rounding.
    const id = String(9_007_199_254_740_993n + 2n * BigInt(randomInt(1, 1_000_000_000)) * 2n);
    const rounded = String(Number(id));
    expect(rounded).not.toBe(id);
    await withId(id);
    await withId(rounded);
    const raw = JSON.stringify(`{"pin":"${PIN}","customer_id":${id}}`);
    const parsed = (number: string): string => `[{"pin":"${PIN}","customer_id":${number}}]`;
    for (const argument of [
      `{"parsed":${parsed(rounded)},"raw":${raw}}`,
      `{"parsed":${parsed(id)},"raw":${raw}}`,
      `{"parsed":${parsed(Number(id).toExponential(14))},"raw":${raw}}`,
      `{"parsed":[],"raw":${raw}}`,
    ]) {
      expect([argument, subjectIn(await send(argument))]).toEqual([argument, id]);
    }
    for (const argument of [`{"parsed":${parsed(id)},"raw":""}`, `{"pin":"${PIN}","customer_id":${id}}`]) {
      expect((await send(argument)).json).toEqual({ response: ASKED_AGAIN });
    }
    for (const subject of [id, rounded]) {
      expect(await client.state(tenant, subject)).toMatchObject({ attemptsInWindow: 0 });
    }
    const { status, json } = await client.agentRequest(agent, 'POST', '/v1/verifications', {
      method: 'pin',
      subject: Number(id),
      pin: PIN,
    });
    expect([status, (json['violations'] as Json[])[0]?.['field']]).toEqual([422, 'subject']);
  });

  it('accepts a numeric PIN with a decimal part, an exponent, or without its leading zero', async () => {
    const { client, tenant, enrol } = world();
    const { phone } = await enrol();
    for (const argument of [
      `{"parsed":[{"pin":${PIN}.0}],"raw":""}`,
      `{"parsed":[],"raw":"{\\"pin\\":4.8213e4}"}`,
      `{"pin":${PIN}}`,
    ]) {
      expect([argument, (await send(argument, phone)).json['response']]).toEqual([argument, WELCOME]);
    }
    const zeros = newPhone();
    const subject = `zeros-${digits(8)}`;
    await client.putSubject(tenant, subject, { phones: [zeros], displayName: 'Alex' });
    await client.putPin(tenant, subject, '04829');
    const argument = '{"parsed":[{"pin":4829}],"raw":"{\\"pin\\":04829}"}';
    expect((await send(argument, zeros)).json['response']).toBe(WELCOME);
  });

  it('finds the number of a caller in every form in which platforms send it', async () => {
    const { client, tenant, agent, enrol } = world();
    const { subject, phone } = await enrol();
    for (const caller of [
      `${phone};verstat=TN-Validation-Passed`,
      `sip:${phone}@gw.example.com;user=phone`,
      `sips:${phone};verstat=TN-Validation-Passed-A@gw.example.com;user=phone`,
      `"Alex" <sip:${phone}@gw.example.com>;tag=1`,
      `tel:${phone};cpc=ordinary`,
      `tel:${phone.slice(2)};phone-context=+1`,
    ]) {
      expect([caller, subjectIn(await client.swaig(agent, { pin: PIN, caller }))]).toEqual([caller, subject]);
    }
    const american = await client.createAgent(tenant, { defaultCountry: 'US' });
    const plusless = [phone.slice(1), phone.slice(2), Number(phone.slice(1))];
    for (const caller of plusless) {
      const body = (): string => JSON.stringify({ ...bodyOf({ pin: PIN }), caller_id_num: caller });
      expect([caller, subjectIn(await client.post(american, body()))]).toEqual([caller, subject]);
      expect([caller, subjectIn(await client.post(agent, body()))]).toEqual([caller, undefined]);
    }
    for (const defaultCountry of ['us', 'XX', 7]) {
      const path = `/v1/tenants/${tenant}/agents/${american.agent}/policy`;
      const { json } = await client.manage('PUT', path, { defaultCountry }, [422]);
      expect((json['violations'] as Json[])[0]?.['field']).toBe('policy.defaultCountry');
    }
  });

  it('counts two attempts of one call when their arguments differ, and one when only the words of the model differ', async () => {
    const { client, tenant, enrol, agent } = world();
    const { subject, phone } = await enrol();
    const [callId, session] = [randomUUID(), randomUUID()];
    for (const pin of ['99481', '77120']) {
      const body = { ...bodyOf({ caller: phone, callId, session }), argument: { parsed: [{ pin }], raw: '{}' } };
      await client.post(agent, JSON.stringify(body));
    }
    expect(await client.state(tenant, subject)).toMatchObject({ attemptsInWindow: 2 });
  });
}
