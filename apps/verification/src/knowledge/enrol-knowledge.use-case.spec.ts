import { OTHER, PIN, QUESTIONS, VerificationTestBed } from '../../test/test-bed.js';

const ANSWERS = { last_four_ssn: '6789', zip_code: '94103' };

async function open(): Promise<VerificationTestBed> {
  const bed = await VerificationTestBed.open();
  await bed.change('alice', { displayName: 'Alice' });
  await bed.enrol('alice', PIN);
  await bed.enrolAnswers('alice', ANSWERS);
  return bed;
}

describe('answers', () => {
  it('identify the caller when all of them are right, however they are spelled', async () => {
    const { answer } = await open();
    for (const answers of [ANSWERS, { zip_code: '94103-1234', last_four_ssn: '6 7-8 ９' }]) {
      expect(await answer(answers)).toMatchObject({
        outcome: 'verified',
        level: 'identified',
        subjectId: 'alice',
        displayName: 'Alice',
      });
    }
  });

  it.each([
    ['the first is wrong', { ...ANSWERS, last_four_ssn: '9876' }],
    ['the last is wrong', { ...ANSWERS, zip_code: '10001' }],
    ['all are wrong', { last_four_ssn: '9876', zip_code: '10001' }],
    ['one is missing', { last_four_ssn: '6789' }],
    ['one is of another form', { ...ANSWERS, zip_code: 94103 }],
    ['there are none', {}],
    ['they are no object', '6789'],
  ])('get the same refusal when %s', async (_what, answers) => {
    const { answer, attempts } = await open();
    const { commandId: _, verificationId: __, ...reply } = await answer(answers);
    expect(reply).toEqual({ outcome: 'rejected', level: 'none', attemptsLeft: 2 });
    expect(attempts.facts).toHaveLength(1);
    expect(attempts.facts[0]).toMatchObject({ kind: 'attempt.decided', method: 'knowledge', outcome: 'rejected' });
    // Ids and keyed hashes hold any few digits by chance.
    const words = JSON.stringify(attempts.facts).replace(/[0-9a-f-]{16,}/g, '');
    expect(words).not.toMatch(/last_four|zip_code|6789|94103|9876|10001/);
  });

  it('have an attempt window of their own, and all of them together are one attempt', async () => {
    const { answer, guess } = await open();
    await guess(OTHER);
    expect(await answer({ ...ANSWERS, zip_code: '10001' })).toMatchObject({ attemptsLeft: 2 });
    expect(await answer({ last_four_ssn: '9876' })).toMatchObject({ attemptsLeft: 1 });
    expect(await answer({})).toMatchObject({ outcome: 'locked' });
    expect((await answer(ANSWERS)).outcome).toBe('locked');
    expect(await guess(OTHER)).toMatchObject({ outcome: 'rejected', attemptsLeft: 1 });
  });

  it('do not clear the attempt window of the PIN when they are right', async () => {
    const { answer, guess } = await open();
    await guess(OTHER);
    await guess(OTHER);
    expect((await answer(ANSWERS)).outcome).toBe('verified');
    expect((await guess(OTHER)).outcome).toBe('locked');
  });

  it.each([['nobody'], ['bob']])('of %s are answered, counted and locked like wrong ones', async (subjectRef) => {
    const { answer, change } = await open();
    await change('bob', {});
    const play = async (ref: string) => {
      const replies = [];
      for (let n = 0; n < 4; n++) {
        const reply = await answer({ ...ANSWERS, zip_code: '10001' }, { subjectRef: ref });
        expect(reply.verificationId).toBeDefined();
        replies.push({ ...reply, commandId: 'masked', verificationId: 'masked' });
      }
      return replies;
    };
    expect(await play(subjectRef)).toEqual(await play('alice'));
  });

  it('cost one comparison per question of the policy, whatever was submitted or enrolled', async () => {
    const { answer, vault, change } = await open();
    await change('bob', {});
    const counts: number[] = [];
    const reserve = vault.reserve.bind(vault);
    vault.reserve = () => {
      const slot = reserve({ tenant: 'acme', agent: 'desk', caller: 'c' });
      return (
        slot && {
          ...slot,
          compareAnswers: (tried, guess, stored) => (
            counts.push(guess.size),
            slot.compareAnswers(tried, guess, stored)
          ),
        }
      );
    };
    for (const subjectRef of ['alice', 'bob', 'nobody']) {
      for (const answers of [ANSWERS, {}, { ...ANSWERS, more: 'x' }]) await answer(answers, { subjectRef });
    }
    expect(counts).toEqual(Array<number>(9).fill(QUESTIONS.length));
  });

  it('reach verified under a waiver that has not expired, by the time of the database', async () => {
    const { answer, knowledge, clock } = await open();
    const expires = new Date(clock.now() + 60_000).toISOString();
    knowledge.policy = { questions: QUESTIONS, waiver: { owner: 'Ada', reason: 'pilot', expires } };
    expect(await answer(ANSWERS)).toMatchObject({ level: 'verified' });
    clock.advance(60_000);
    expect(await answer(ANSWERS)).toMatchObject({ outcome: 'verified', level: 'identified' });
  });

  it('are unavailable under a policy without questions, and no attempt is counted', async () => {
    const { answer, knowledge, attempts } = await open();
    knowledge.policy = { questions: [] };
    expect(await answer({})).toMatchObject({ outcome: 'unavailable' });
    expect(attempts.facts).toEqual([]);
  });

  it('cannot change a PIN', async () => {
    const { command, decide, attempts } = await open();
    const mixed = await command(ANSWERS, { method: 'knowledge' }, OTHER);
    expect(await decide(mixed)).toMatchObject({ outcome: 'unavailable' });
    expect(attempts.facts).toEqual([]);
  });

  it('are rejected when the policy has a question that was not enrolled', async () => {
    const { answer, knowledge } = await open();
    knowledge.policy = { questions: [...QUESTIONS, { name: 'pet', description: 'Pet', kind: 'text' }] };
    expect((await answer({ ...ANSWERS, pet: 'Rex' })).outcome).toBe('rejected');
  });
});

describe('enrolment of answers', () => {
  it('replaces all earlier answers and keeps the PIN', async () => {
    const { enrolAnswers, answer, guess, state } = await open();
    await guess(OTHER);
    expect(await enrolAnswers('alice', { ...ANSWERS, zip_code: '10001' })).toMatchObject({ answer: 'updated' });
    expect((await answer(ANSWERS)).outcome).toBe('rejected');
    expect(await answer({ ...ANSWERS, zip_code: '10001' })).toMatchObject({ outcome: 'verified' });
    expect((await guess(PIN)).outcome).toBe('verified');
    expect((await state('alice')).body).toMatchObject({ pinEnrolled: true, knowledgeEnrolled: true });
  });

  it.each([
    [undefined, 'answers'],
    [{}, 'answers'],
    [Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`q${n}`, 'x'])), 'answers'],
    [{ ...ANSWERS, pet: 'Rex' }, 'answers.pet'],
    [{ ...ANSWERS, 'Canary 73918264': 'x' }, 'answers'],
    [{ ...ANSWERS, constructor: 'x' }, 'answers.constructor'],
    [{ zip_code: '94103' }, 'answers'],
    [{ last_four_ssn: '678' }, 'answers.last_four_ssn'],
    [{ last_four_ssn: 6789 }, 'answers.last_four_ssn'],
    [{ zip_code: 'canary-73918264' }, 'answers.zip_code'],
    [{ zip_code: '9'.repeat(201) }, 'answers.zip_code'],
  ])('of %j is refused with the field %s, and never with what was given', async (answers, field) => {
    const { enrolAnswers, answer } = await open();
    const refused = await enrolAnswers('alice', answers);
    expect(refused.answer).toBe('invalid');
    expect(refused.violations).toEqual([{ field, rule: expect.any(String) as string }]);
    expect(JSON.stringify({ ...refused, commandId: '' })).not.toMatch(/73918264|99999|6789|Rex/);
    expect((await answer(ANSWERS)).outcome).toBe('verified');
  });

  it.each(['none', 'Null', 'N/A', 'unknown', '<unknown>'])(
    'of %s is refused, because a model writes it for an answer that was not given',
    async (answer) => {
      const { enrolAnswers, knowledge } = await open();
      knowledge.policy = { questions: [{ name: 'pet', description: 'Pet', kind: 'text' }] };
      expect(await enrolAnswers('alice', { pet: answer })).toMatchObject({
        answer: 'invalid',
        violations: [{ field: 'answers.pet' }],
      });
      expect(await enrolAnswers('alice', { pet: 'Nan' })).toMatchObject({ answer: 'updated' });
    },
  );

  it('of all questions of one agent is accepted, even if another agent has more', async () => {
    const { enrolAnswers, answer, knowledge } = await open();
    const pet = { name: 'pet', description: 'Pet', kind: 'text' } as const;
    knowledge.ofOthers = [[], [pet]];
    expect(await enrolAnswers('alice', { pet: 'Rex' })).toMatchObject({ answer: 'updated' });
    expect((await answer(ANSWERS)).outcome).toBe('rejected');
    knowledge.policy = { questions: [pet] };
    expect(await answer({ pet: 'rex' })).toMatchObject({ outcome: 'verified', level: 'identified' });
  });

  it('of an unknown subject is answered not_found', async () => {
    const { enrolAnswers } = await open();
    expect((await enrolAnswers('nobody', ANSWERS)).answer).toBe('not_found');
  });
});
