import { OTHER, PHONE, PIN, VerificationTestBed } from '../../test/test-bed.js';

async function open(forceChange = false): Promise<VerificationTestBed> {
  const bed = await VerificationTestBed.open();
  await bed.change('alice', { phones: [PHONE] });
  await bed.enrol('alice', PIN, forceChange);
  return bed;
}

describe('a caller who changes the PIN', () => {
  it('gets the new PIN in force if the current one matches', async () => {
    const { changePin, guess } = await open();
    expect(await changePin(PIN, OTHER)).toMatchObject({ outcome: 'verified', level: 'verified', pinChanged: true });
    expect((await guess(PIN)).outcome).toBe('rejected');
    expect((await guess(OTHER)).outcome).toBe('verified');
  });

  it('is named in events by the received command id, as the attempt is', async () => {
    const { changePin, attempts, subjects } = await open();
    await changePin(PIN, OTHER);
    const decided = attempts.facts.find(({ kind }) => kind === 'attempt.decided');
    expect(subjects.enrolments.at(-1)).toBe(decided?.commandId);
  });

  it('reaches the level verified with the new PIN if the old one had to be changed', async () => {
    const { changePin, guess } = await open(true);
    const reply = await changePin(PIN, OTHER);
    expect(reply).toMatchObject({ outcome: 'verified', level: 'identified', pinChanged: true });
    expect(reply.mustChangePin).toBeUndefined();
    expect(await guess(OTHER)).toMatchObject({ level: 'verified' });
  });

  it('uses up an attempt with a wrong current PIN, which changes nothing', async () => {
    const { changePin, guess, attempts } = await open();
    for (const left of [2, 1]) {
      const reply = await changePin('42718305', OTHER);
      expect(reply).toMatchObject({ outcome: 'rejected', attemptsLeft: left });
      expect(reply.pinChanged).toBeUndefined();
    }
    expect((await changePin('42718305', OTHER)).outcome).toBe('locked');
    expect((await changePin(PIN, OTHER)).outcome).toBe('locked');
    expect((await guess(PIN)).outcome).toBe('locked');
    expect(attempts.facts.filter(({ kind }) => kind === 'attempt.decided')).toHaveLength(5);
  });

  it.each([['1234'], ['12'], ['abcd'], [12345678], [null]])(
    'uses up no attempt if the new PIN is %j, at a known and at an unknown subject',
    async (weak) => {
      const { changePin, attempts, guess } = await open();
      for (const subjectRef of ['alice', 'nobody']) {
        const reply = await changePin(OTHER, weak, { subjectRef });
        expect(reply).toMatchObject({ outcome: 'unavailable', violations: [{ field: 'newPin' }] });
        expect(reply.verificationId).toBeUndefined();
      }
      expect(attempts.facts).toEqual([]);
      expect(await guess('42718305')).toMatchObject({ attemptsLeft: 2 });
    },
  );

  it('gets the rule that the new PIN breaks for this subject only with the correct current PIN', async () => {
    const { changePin, guess } = await open();
    for (const newPin of ['5501', PIN]) {
      expect((await changePin(OTHER, newPin)).violations).toBeUndefined();
      const refused = await changePin(PIN, newPin);
      expect(refused).toMatchObject({ outcome: 'verified', violations: [{ field: 'newPin' }] });
      expect(JSON.stringify(refused.violations)).not.toContain(newPin);
      expect(refused.pinChanged).toBeUndefined();
    }
    expect((await guess(PIN)).outcome).toBe('verified');
  });

  it('gets the same reply to a repeated command, and the PIN is changed once', async () => {
    const { command, decide, subjects } = await open();
    const first = await command(PIN, {}, OTHER);
    const reply = await decide(first);
    expect(await decide(first)).toEqual({ ...reply, repeatedAt: expect.any(String) as string });
    expect((await subjects.enrolled('another', 'acme', 'alice', 'pin'))?.version).toBe(2);
  });

  it.each([['5501'], [PIN]])(
    'gets the broken rule again for a repeated command with the new PIN %s',
    async (newPin) => {
      const { command, decide, guess } = await open();
      const first = await command(PIN, {}, newPin);
      const reply = await decide(first);
      expect(reply).toMatchObject({ outcome: 'verified', violations: [{ field: 'newPin' }] });
      expect(await decide(first)).toEqual({ ...reply, repeatedAt: expect.any(String) as string });
      expect((await guess(PIN)).outcome).toBe('verified');
    },
  );

  it.each([['5501'], [PIN], [OTHER]])('causes no hash with a repeated command and the new PIN %s', async (newPin) => {
    const { command, decide, vault } = await open();
    const first = await command(PIN, {}, newPin);
    const reply = await decide(first);
    let asked = 0;
    const counted = (work: 'positionInHistory' | 'prepare'): void => {
      const real = vault[work].bind(vault) as (...parts: unknown[]) => Promise<never>;
      vault[work] = (...parts: unknown[]) => {
        asked++;
        return real(...parts);
      };
    };
    counted('positionInHistory');
    counted('prepare');
    for (let n = 0; n < 100; n++)
      expect(await decide(first)).toEqual({ ...reply, repeatedAt: expect.any(String) as string });
    expect(asked).toBe(0);
  });

  it('gets no confirmation of a change if the process stopped between outcome and enrolment', async () => {
    const { command, decide, subjects, guess } = await open();
    const interrupted = await command(PIN, {}, OTHER);
    const enrol = subjects.enrol.bind(subjects);
    subjects.enrol = () => Promise.reject(new Error('the process ends here'));
    await expect(decide(interrupted)).rejects.toThrow();
    subjects.enrol = enrol;
    expect(await decide(interrupted)).toMatchObject({ outcome: 'unavailable', level: 'none' });
    expect((await guess(PIN)).outcome).toBe('verified');
  });

  it('does not replace a PIN that an administrator enrolled after the comparison', async () => {
    const { command, decide, subjects, enrol, guess } = await open();
    const overtaken = await command(PIN, {}, OTHER);
    const find = subjects.find.bind(subjects);
    subjects.find = async (...reference) => {
      const found = await find(...reference);
      subjects.find = find;
      await enrol('alice', '42718305');
      return found;
    };
    expect(await decide(overtaken)).toMatchObject({ outcome: 'unavailable' });
    expect((await guess('42718305')).outcome).toBe('verified');
  });
});
