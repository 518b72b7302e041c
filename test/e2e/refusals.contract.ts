import { expect, it } from '@jest/globals';
import { bodyOf, newPhone, type HttpAnswer, type Json } from '../client.js';
import { PIN, type World } from './world.js';

const BAD_PIN = { response: 'A PIN is 4 to 8 digits. Please give it again, one digit at a time.' };
const MORE_THAN_256_KIB = 'x'.repeat(256 * 1024 + 1);

/** Requests that an adapter refuses itself. A refusal counts no attempt. */
export function httpRefusals(world: () => World): void {
  const refused = (answer: HttpAnswer, status: number): void => {
    expect([answer.status, answer.text]).toEqual([status, answer.text]);
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    expect(answer.json).toEqual({
      error: expect.stringMatching(/\S/),
      response: 'I am sorry, I cannot verify your identity right now. Please try again later.',
    });
  };

  it.each([
    ['is not JSON', '{"function":"verify_pin"'],
    ['is empty', ''],
    ['is a list', '[]'],
    ['is a text', '"verify_pin"'],
    ['is null', 'null'],
  ])('a body that %s is refused with 400', async (_what, body) => {
    const { client, agent } = world();
    refused(await client.post(agent, body), 400);
  });

  it('a body above 256 KiB is refused with 413', async () => {
    const { client, agent } = world();
    refused(await client.post(agent, JSON.stringify({ ...bodyOf({ pin: PIN }), filler: MORE_THAN_256_KIB })), 413);
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/xml'])(
    'the content type %s is refused with 415',
    async (type) => {
      const { client, agent } = world();
      refused(await client.post(agent, JSON.stringify(bodyOf({ pin: PIN })), { 'content-type': type }), 415);
    },
  );

  it('no credentials, an unknown agent, a wrong password and a Bearer key get the same refusal with 401', async () => {
    const { client, agent } = world();
    const body = JSON.stringify(bodyOf({ pin: PIN }));
    const answers = [
      await client.post(undefined, body),
      await client.post({ agent: 'no-such-agent', password: agent.password }, body),
      await client.post({ agent: agent.agent, password: `${agent.password}x` }, body),
      await client.post({ agent: agent.agent, password: '' }, body),
      await client.post(undefined, body, { authorization: `Bearer ${agent.apiKey}` }),
      await client.post(undefined, body, { authorization: 'Basic %%%' }),
    ];
    for (const answer of answers) refused(answer, 401);
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  });

  it('an unknown path is refused with 404 and another method with 405', async () => {
    const { client } = world();
    const [url = ''] = client.product.swaigUrls();
    refused(await client.request(`${url}/no-such-path`, {}), 404);
    refused(await client.request(`${url}/swaig`, { method: 'PUT' }), 405);
  });

  const withArgument = (argument: unknown, caller: string): Json => ({ ...bodyOf({ caller }), argument });

  it.each<[string, unknown]>([
    ['parsed is empty', { parsed: [], raw: '' }],
    ['parsed is a text', { parsed: 'pin', raw: '' }],
    ['parsed holds a number', { parsed: [1], raw: '' }],
    ['parsed holds null', { parsed: [null], raw: '' }],
    ['the argument is missing', undefined],
    ['the argument is a number', 7],
    ['the PIN is missing', { parsed: [{}], raw: '{}' }],
    ['the PIN is null', { parsed: [{ pin: null }], raw: '{"pin":null}' }],
    ['the PIN is a list', { parsed: [{ pin: ['4', '8'] }], raw: '' }],
    ['the PIN is an object', { parsed: [{ pin: { digits: PIN } }], raw: '' }],
    ['the PIN is too short', { parsed: [{ pin: '482' }], raw: '{"pin":"482"}' }],
    ['the PIN is too long', { parsed: [{ pin: '482134821' }], raw: '{"pin":"482134821"}' }],
    ['the PIN has letters', { parsed: [{ pin: '48a13' }], raw: '{"pin":"48a13"}' }],
    ['the PIN is no whole number', { parsed: [{ pin: 48213.5 }], raw: '{"pin":48213.5}' }],
  ])('is answered with what a PIN looks like, and costs nothing, when %s', async (_what, argument) => {
    const { client, tenant, agent, enrol } = world();
    const { subject, phone } = await enrol();
    const { status, json } = await client.post(agent, JSON.stringify(withArgument(argument, phone)));
    expect([status, json]).toEqual([200, BAD_PIN]);
    expect(await client.state(tenant, subject)).toMatchObject({ attemptsInWindow: 0 });
  });

  it.each<[string, unknown]>([
    ['a number', 48213],
    ['digits with gaps', '4 8-2 1 3'],
    ['words', 'four eight two one three'],
    ['full-width digits', '４８２１３'],
  ])('takes the right PIN as %s', async (_what, pin) => {
    const { client, agent, enrol } = world();
    const { phone } = await enrol();
    const { json } = await client.swaig(agent, { pin, caller: phone });
    expect(json['response']).toBe('Thank you, Alex. How can I help you today?');
  });

  it('reads the arguments from raw when parsed is missing', async () => {
    const { client, agent, enrol } = world();
    const { phone } = await enrol();
    const { json } = await client.post(
      agent,
      JSON.stringify(withArgument({ raw: JSON.stringify({ pin: PIN }) }, phone)),
    );
    expect(json['response']).toBe('Thank you, Alex. How can I help you today?');
  });

  it('unknown functions and the hooks of the platform get an answer without an effect', async () => {
    const { client, agent } = world();
    for (const name of ['get_balance', 'constructor', '', 'startup_hook', 'hangup_hook']) {
      const body = { ...bodyOf({ pin: PIN, caller: newPhone() }), function: name };
      const { status, json } = await client.post(agent, JSON.stringify(body));
      expect([status, json]).toEqual([200, { response: expect.stringMatching(/\S/) }]);
    }
  });
}
