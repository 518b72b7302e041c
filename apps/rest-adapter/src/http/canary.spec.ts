import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { ADMIN_KEY, AGENT_KEY, RestTestBed } from '../../test/test-bed.js';

/** Eight digits and a number that chance does not produce. */
const PIN = '73918264';
const PHONE = '+12025550183';
const SECRETS = [PIN, [...PIN].reverse().join(''), PHONE, PHONE.slice(1), '2025550183', ADMIN_KEY, AGENT_KEY];

let bed: RestTestBed;
beforeAll(async () => {
  bed = await RestTestBed.open({ REPLY_TIMEOUT_MS: '200' });
});
afterAll(() => bed.close());

it('writes no PIN, telephone number or key into a log line, a record of the bus or a refusal', async () => {
  const verify = (body: unknown, headers: Record<string, string> = {}) =>
    bed.call('POST', '/v1/verifications', { key: AGENT_KEY, body, headers });
  const put = (path: string, body: unknown) => bed.call('PUT', `/v1/tenants/acme${path}`, { key: ADMIN_KEY, body });
  const answers = [
    await verify({ method: 'pin', phone: PHONE, pin: PIN }),
    await verify({ method: 'pin', phone: PHONE, pin: PIN }, { 'idempotency-key': `${PIN}-${PHONE}` }),
    await verify({ method: 'pin', phone: PHONE, pin: `${PIN}9` }),
    await verify({ method: PIN, phone: `${PHONE}0000`, pin: Number(PIN), [PIN]: PHONE }),
    await verify(`{"pin":"${PIN}",`),
    await verify(`pin=${PIN}`, { 'content-type': 'text/plain' }),
    await bed.call('GET', `/v1/${PIN}?phone=${PHONE}`, { key: ADMIN_KEY }),
    await bed.call('POST', '/v1/verifications', { key: `${AGENT_KEY}x`, body: { pin: PIN } }),
    await bed.call('POST', '/v1/tenants/acme/subjects:search', { key: ADMIN_KEY, body: { phone: PHONE } }),
    await bed.call('POST', '/v1/tenants/acme/subjects:search', { key: ADMIN_KEY, body: { phone: `${PHONE}0000` } }),
    // Digits that are no number of a subject are searched as an id.
    await bed.call('POST', '/v1/tenants/acme/subjects:search', { key: ADMIN_KEY, body: { subject: PHONE.slice(1) } }),
    await put('/subjects/c-1', { phones: [PHONE, `${PHONE}0000000`] }),
    await put('/subjects/c-1', { phones: [PHONE] }),
    await put('/subjects/c-1/pin', { pin: PIN }),
    await put('/subjects/c-1/pin', { pin: `${PIN} ` }),
    await put('/subjects/c-1/knowledge', { answers: { zip_code: PIN } }),
    await put('/subjects/c-1/knowledge', { answers: { zip_code: PIN, [PIN]: PHONE } }),
    await verify({ method: 'knowledge', phone: PHONE, answers: { zip_code: PIN } }),
    await verify({ method: 'knowledge', phone: PHONE, answers: { zip_code: `${PIN}0`, last_four_ssn: '6789' } }),
    await verify({ method: 'knowledge', phone: PHONE, answers: { zip_code: PIN, pet: PHONE } }),
    await bed.call('POST', '/v1/tenants/acme/subjects/c-1/pin/change', {
      key: AGENT_KEY,
      body: { currentPin: PIN, newPin: [...PIN].reverse().join('') },
    }),
  ];
  bed.decide = () => undefined;
  bed.answer = () => undefined;
  answers.push(await verify({ method: 'pin', phone: PHONE, pin: PIN }), await put('/subjects/c-1/pin', { pin: PIN }));

  const shown = answers.map(({ text, headers }) => text + JSON.stringify([...headers])).join('\n');
  for (const secret of SECRETS) {
    expect(shown).not.toContain(secret);
    expect(bed.log).not.toContain(secret);
    expect(bed.bytes).not.toContain(secret);
  }
  expect(bed.commands.length).toBe(11);
  expect(bed.log).toContain('a request could not be served');
});
