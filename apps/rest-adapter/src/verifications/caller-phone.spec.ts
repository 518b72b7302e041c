import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { KeyedHash, Secret } from '@countersign/crypto';
import { AGENT_KEY, RestTestBed } from '../../test/test-bed.js';

const hash = new KeyedHash(new Secret(Buffer.alloc(32, 7).toString('base64url')));

describe('the caller of a verification over REST', () => {
  let bed: RestTestBed;
  beforeAll(async () => {
    bed = await RestTestBed.open({ REPLY_TIMEOUT_MS: '2000' });
  });
  afterAll(() => bed.close());
  beforeEach(() => {
    bed.commands.length = 0;
    bed.decide = () => ({ outcome: 'rejected', verificationId: 'v-1' });
  });

  const attempt = (fields: Record<string, unknown> = {}, headers: Record<string, string> = {}) => {
    const body = { method: 'pin', subject: 'c-1', pin: '4821', ...fields };
    return bed.call('POST', '/v1/verifications', { key: AGENT_KEY, headers, body });
  };
  const requested = (): Record<string, unknown> => bed.commands.at(-1)?.fields ?? {};

  it.each([
    ['an id', { subject: 'c-1', callerPhone: '+1 (202) 555-0147' }, false],
    ['the same number', { subject: undefined, phone: '+12025550147', callerPhone: 'tel:+1-202-555-0147' }, true],
    ['another number', { subject: undefined, phone: '+12025550148', callerPhone: '+12025550147' }, false],
  ])('identifies the caller by callerPhone beside %s, and publishes no number', async (_, more, subjectIsCaller) => {
    expect((await attempt(more)).status).toBe(200);
    const callerKey = hash.callerKey('acme', 'phone', '+12025550147');
    expect(requested()).toMatchObject({ channel: 'rest', callerKey, callerTail: '47', subjectIsCaller });
    expect(bed.bytes).not.toContain('2025550147');
  });

  it.each(['12', '', 'c-1', 12_025_550_147, null])(
    'refuses the callerPhone %j with the field and the rule',
    async (callerPhone) => {
      const { status, body, text } = await attempt({ callerPhone });
      expect(status).toBe(422);
      expect(body['violations']).toMatchObject([{ field: 'callerPhone' }]);
      expect(text).not.toContain('2025550147');
    },
  );
});
