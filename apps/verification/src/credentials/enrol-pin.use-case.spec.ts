import { PIN_HISTORY } from './pin-rules.decision.js';
import { OTHER, PHONE, PIN, VerificationTestBed } from '../../test/test-bed.js';

const PINS = ['83729164', '19283746', '482139', '90817', '8305', '4271', '9163'];

async function open(profile: Record<string, unknown> = {}): Promise<VerificationTestBed> {
  const bed = await VerificationTestBed.open();
  await bed.change('alice', profile);
  return bed;
}

describe('a new PIN', () => {
  it('may not be a part of a telephone number of the subject, forwards or backwards', async () => {
    const { enrol } = await open({ phones: ['+4930123456', PHONE] });
    for (const pin of ['5501', '3210', '02025550']) {
      const refused = await enrol('alice', pin);
      expect(refused).toMatchObject({ answer: 'invalid', violations: [{ field: 'pin' }] });
      expect(JSON.stringify(refused.violations)).not.toContain(pin);
    }
    expect(await enrol('alice', PIN)).toMatchObject({ answer: 'created' });
  });

  it(`may not be one of the last ${PIN_HISTORY}, and may return after them`, async () => {
    const { enrol } = await open();
    for (const pin of PINS.slice(0, PIN_HISTORY)) await enrol('alice', pin);
    for (const pin of PINS.slice(0, PIN_HISTORY - 1)) {
      expect(await enrol('alice', pin)).toMatchObject({
        answer: 'invalid',
        violations: [{ field: 'pin', rule: 'must not be one of the last 5 PINs' }],
      });
    }
    expect(await enrol('alice', PINS[PIN_HISTORY])).toMatchObject({ answer: 'updated' });
    expect(await enrol('alice', PINS[0])).toMatchObject({ answer: 'updated' });
  });

  it('may be the one in force again, which uses up no place of the history', async () => {
    const { enrol, guess } = await open();
    await enrol('alice', OTHER);
    for (let n = 0; n < PIN_HISTORY + 1; n++) expect((await enrol('alice', PIN)).answer).toBe('updated');
    expect((await enrol('alice', OTHER)).answer).toBe('invalid');
    expect((await guess(PIN)).outcome).toBe('verified');
  });

  it('that is enrolled again while it is in force keeps the failures, so the cap is still reached', async () => {
    const { enrol, guess, clock } = await open();
    await enrol('alice', '4271');
    for (let night = 0; night < 3; night++) {
      for (let n = 0; n < 3; n++) expect((await guess('8305')).outcome).not.toBe('disabled');
      clock.advance(86_400_000);
      await enrol('alice', '4271');
    }
    expect((await guess('8305')).outcome).toBe('disabled');
    expect((await guess('4271')).outcome).toBe('disabled');
  });

  it('may be the disabled one, which is then in force again', async () => {
    const { enrol, guess, clock } = await open();
    await enrol('alice', '4271');
    for (let night = 0; night < 4; night++) {
      for (let n = 0; n < 3; n++) await guess('8305');
      clock.advance(86_400_000);
    }
    expect((await guess('4271')).outcome).toBe('disabled');
    expect(await enrol('alice', '4271')).toMatchObject({ answer: 'updated' });
    clock.advance(86_400_000);
    expect((await guess('4271')).outcome).toBe('verified');
  });

  it('that is enrolled again keeps recognized callers, so unrecognized callers cannot lock them out', async () => {
    const { enrol, guess } = await open();
    await enrol('alice', PIN);
    await guess(PIN);
    await enrol('alice', PIN);
    for (let n = 0; n < 3; n++) await guess(OTHER, { callerKey: 'd'.repeat(64) });
    expect((await guess(PIN, { callerKey: 'd'.repeat(64) })).outcome).toBe('locked');
    expect((await guess(PIN)).outcome).toBe('verified');
  });

  it('replaces the other one when two arrive at the same time: both are enrolled, one after the other', async () => {
    const { enrol, subjects } = await open();
    const answers = await Promise.all([enrol('alice', PIN), enrol('alice', OTHER)]);
    expect(answers.map(({ answer }) => answer).sort()).toEqual(['created', 'updated']);
    const enrolled = await subjects.enrolled('no-such-command', 'acme', 'alice', 'pin');
    expect(enrolled?.version).toBe(2);
  });

  it('that must be changed reaches identified and says so, until another is enrolled', async () => {
    const { enrol, guess, state } = await open();
    await enrol('alice', PIN, true);
    expect((await state('alice')).body).toMatchObject({ pinEnrolled: true, pinMustChange: true });
    for (let n = 0; n < 2; n++) {
      expect(await guess(PIN)).toMatchObject({ outcome: 'verified', level: 'identified', mustChangePin: true });
    }
    await enrol('alice', OTHER);
    const reply = await guess(OTHER);
    expect(reply).toMatchObject({ outcome: 'verified', level: 'verified' });
    expect(reply.mustChangePin).toBeUndefined();
    expect((await state('alice')).body).toMatchObject({ pinMustChange: false });
  });

  it('that must be changed shows this only to a caller who submits it', async () => {
    const { enrol, guess } = await open();
    await enrol('alice', PIN, true);
    expect((await guess(OTHER)).mustChangePin).toBeUndefined();
  });
});
