import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ADMIN_KEY, AGENT_KEY, OTHER_AGENT_KEY, RestTestBed } from '../../test/test-bed.js';

describe('POST …/pin/change', () => {
  const path = '/v1/tenants/acme/subjects/c-1/pin/change';
  const pins = { currentPin: '4821', newPin: '9163' };
  let bed: RestTestBed;
  beforeAll(async () => {
    bed = await RestTestBed.open({ REPLY_TIMEOUT_MS: '2000' });
  });
  afterAll(() => bed.close());
  beforeEach(() => {
    bed.commands.length = 0;
    bed.decide = () => ({ outcome: 'verified', level: 'verified', verificationId: 'v-1', pinChanged: true });
  });
  const change = (body: Record<string, unknown>, key = AGENT_KEY, to = path) => bed.call('POST', to, { key, body });

  it('is an attempt with the current PIN, and carries the new one encrypted', async () => {
    const { status, body } = await change({ ...pins, callId: 'call-1' });
    expect({ status, body }).toEqual({
      status: 200,
      body: {
        verificationId: 'v-1',
        outcome: 'verified',
        level: 'verified',
        pinChanged: true,
        receipt: expect.any(String),
      },
    });
    expect(bed.commands.at(-1)?.fields).toMatchObject({
      method: 'pin',
      subjectKind: 'id',
      subjectRef: 'c-1',
      callId: 'call-1',
    });
    expect(await bed.unsealed()).toMatchObject({ pin: '4821', newPin: '9163' });
  });

  it('names the rule that the new PIN breaks', async () => {
    const violations = [{ field: 'newPin', rule: 'must not count up or down' }];
    bed.decide = () => ({ outcome: 'unavailable', violations });
    const { status, body } = await change({ ...pins, newPin: '1234' });
    expect(status).toBe(422);
    expect(body['violations']).toEqual(violations);
  });

  it('answers a wrong current PIN like any refused attempt', async () => {
    bed.decide = () => ({ outcome: 'rejected', attemptsLeft: 2, verificationId: 'v-2' });
    expect((await change(pins)).body).toEqual({ verificationId: 'v-2', outcome: 'rejected', level: 'none' });
  });

  it.each([
    [{ ...pins, newPin: '12' }, 'newPin'],
    [{ newPin: '9163' }, 'currentPin'],
    [{ ...pins, pin: '4821' }, 'pin'],
  ])('refuses %j with the field %s and publishes no command', async (body, field) => {
    const answered = await change(body);
    expect(answered.status).toBe(422);
    expect(answered.body['violations']).toEqual([{ field, rule: expect.any(String) }]);
    expect(bed.commands).toEqual([]);
  });

  it('is not found in another tenant, and is forbidden to the administrator', async () => {
    expect((await change(pins, OTHER_AGENT_KEY)).status).toBe(404);
    expect((await change(pins, ADMIN_KEY)).status).toBe(403);
    expect(bed.commands).toEqual([]);
  });
});
