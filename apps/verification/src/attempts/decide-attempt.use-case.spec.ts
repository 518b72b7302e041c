import { randomUUID } from 'node:crypto';
import { LimitRefundRequested, message, VerificationDecided } from '@countersign/contracts';
import { phoneDigest } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { OTHER, PHONE, PIN, POLICY, VerificationTestBed } from '../../test/test-bed.js';

/** A PIN with the lowest cap. */
const FOUR = '8305';

const open = (queueLimit?: number): Promise<VerificationTestBed> => VerificationTestBed.open(queueLimit);

describe('an attempt at a PIN', () => {
  it('is verified if the PIN matches, by id and by telephone number of the subject', async () => {
    const { change, enrol, guess } = await open();
    await change('alice', { phones: ['+1 (202) 555-0123'], displayName: 'Alice' });
    expect(await enrol('alice', PIN)).toMatchObject({ answer: 'created' });
    expect(await guess(PIN)).toMatchObject({
      outcome: 'verified',
      level: 'verified',
      subjectId: 'alice',
      displayName: 'Alice',
    });
    const byPhone = { subjectKind: 'phone', subjectRef: phoneDigest('acme', PHONE) } as const;
    expect(await guess(PIN, byPhone)).toMatchObject({ outcome: 'verified', subjectId: 'alice' });
  });

  it('stores two digits of its caller when it makes the caller recognized, and nothing of an API client', async () => {
    const { change, enrol, guess, subjects } = await open();
    const callers = async () => (await subjects.state('acme', 'alice', 900))?.credentials[0]?.recognizedCallers;
    await change('alice', {});
    await enrol('alice', PIN);
    await guess(PIN, { channel: 'rest', callerTail: '99' });
    await guess(OTHER, { callerTail: '98' });
    await guess(PIN, { callerTail: '' });
    expect(await callers()).toEqual([]);
    await guess(PIN, { callerTail: '47' });
    const shown = [{ callerTail: '47', firstVerifiedAt: expect.stringMatching(/^\d{4}-.*Z$/) as unknown }];
    expect(await callers()).toEqual(shown);
    await guess(PIN, { callerTail: '47' });
    expect(await callers()).toEqual(shown);
  });

  it('is rejected twice and locks the third time, and then a correct PIN is refused as well', async () => {
    const { change, enrol, guess, clock } = await open();
    await change('alice', {});
    await enrol('alice', PIN);
    const outcomes = [];
    for (const pin of [OTHER, OTHER, OTHER, PIN]) outcomes.push((await guess(pin)).outcome);
    expect(outcomes).toEqual(['rejected', 'rejected', 'locked', 'locked']);
    clock.advance(901_000);
    expect((await guess(PIN)).outcome).toBe('verified');
  });

  it.each([
    ['an unknown subject', 'nobody'],
    ['a subject without a PIN', 'bob'],
  ])('at %s is answered, counted and locked like a wrong PIN', async (_, ref) => {
    const { change, enrol, guess, attempts } = await open();
    await change('alice', {});
    await enrol('alice', PIN);
    await change('bob', {});
    const play = async (subjectRef: string) => {
      const replies = [];
      for (let n = 0; n < 4; n++) {
        const reply = await guess(OTHER, { subjectRef });
        expect(reply.verificationId).toBeDefined();
        replies.push({ ...reply, commandId: 'masked', verificationId: 'masked' });
      }
      return replies;
    };
    const known = await play('alice');
    const facts = attempts.facts.length;
    expect(await play(ref)).toEqual(known);
    expect(attempts.facts.length).toBe(facts * 2);
  });

  it('reports an unknown subject only if the policy of the agent discloses it, and never a subject without a PIN', async () => {
    const { change, guess, policies } = await open();
    await change('bob', {});
    expect((await guess(OTHER, { subjectRef: 'nobody' })).unknownSubject).toBeUndefined();
    policies.discloses = true;
    expect(await guess(OTHER, { subjectRef: 'nobody' })).toMatchObject({ outcome: 'rejected', unknownSubject: true });
    expect((await guess(OTHER, { subjectRef: 'bob' })).unknownSubject).toBeUndefined();
  });

  it.each([[''], ['123'], ['1234567890123'], [12345678], [null], ['８３７２９１６４']])(
    'with %j instead of a PIN is counted and rejected',
    async (pin) => {
      const { change, enrol, guess } = await open();
      await change('alice', {});
      await enrol('alice', PIN);
      expect(await guess(pin)).toMatchObject({ outcome: 'rejected', attemptsLeft: 2 });
    },
  );

  it('is compared at most three times if fifty arrive at once', async () => {
    const { change, enrol, guess, attempts } = await open();
    await change('alice', {});
    await enrol('alice', PIN);
    const replies = await Promise.all(Array.from({ length: 50 }, () => guess(OTHER)));
    expect(replies.filter(({ outcome }) => outcome === 'rejected')).toHaveLength(2);
    expect(attempts.facts.filter(({ kind }) => kind === 'credential.locked')).toHaveLength(1);
    expect((await guess(PIN)).outcome).toBe('locked');
  });

  it('returns the stored reply to a repeated command and counts it once', async () => {
    const { change, enrol, command, decide, attempts } = await open();
    await change('alice', {});
    await enrol('alice', PIN);
    const first = await command(OTHER);
    const reply = await decide(first);
    expect(await decide(first)).toEqual(reply);
    expect(attempts.facts).toHaveLength(1);
    const other = await command(PIN, { commandId: first.commandId });
    expect(await decide(other)).toMatchObject({ outcome: 'unavailable', conflict: 'mismatch' });
  });

  it('is unavailable and not counted if the payload was sealed for another command', async () => {
    const { change, enrol, command, decide, guess } = await open();
    await change('alice', {});
    await enrol('alice', PIN);
    const { sealed } = await command(PIN);
    expect(await decide(await command(OTHER, { sealed }))).toMatchObject({
      outcome: 'unavailable',
      level: 'none',
    });
    expect(await guess(OTHER)).toMatchObject({ outcome: 'rejected', attemptsLeft: 2 });
  });

  it('is unavailable and not counted if no hash slot is free', async () => {
    const { change, enrol, guess, vault } = await open(0);
    await change('alice', {});
    await enrol('alice', PIN);
    const held = [
      vault.reserve({ tenant: 'acme', agent: 'desk', caller: 'c' }),
      vault.reserve({ tenant: 'acme', agent: 'desk', caller: 'c' }),
    ];
    expect(vault.reserve({ tenant: 'acme', agent: 'desk', caller: 'c' })).toBeUndefined();
    expect(await guess(OTHER)).toMatchObject({ outcome: 'unavailable' });
    for (const slot of held) slot?.release();
    expect(await guess(OTHER)).toMatchObject({ outcome: 'rejected', attemptsLeft: 2 });
  });

  it('is unavailable and not counted if the tenant has no such agent', async () => {
    const { guess, attempts } = await open();
    expect(await guess(PIN, { tenant: 'other' })).toMatchObject({ outcome: 'unavailable' });
    expect(attempts.facts).toHaveLength(0);
  });

  it('gets an outcome after its deadline only if it was counted before', async () => {
    const { command, answerAttempt, attempts, countedAs } = await open();
    const expired = await command(OTHER);
    expect(await answerAttempt.abandon(expired)).toBeInstanceOf(LimitRefundRequested);
    expect(attempts.facts).toHaveLength(0);
    const counted = {
      ...expired,
      ...(await countedAs(expired)),
      attemptId: randomUUID(),
      referenceKey: 'a'.repeat(64),
      subject: undefined,
      callId: undefined,
    };
    await attempts.count({ ...counted, caller: undefined, cap: 10 }, POLICY);
    expect([await answerAttempt.abandon(expired), await answerAttempt.abandon(expired)]).toEqual([
      undefined,
      undefined,
    ]);
    expect(attempts.facts).toMatchObject([{ kind: 'attempt.decided', outcome: 'unavailable', attempt: 1 }]);
  });

  it('disables the credential at the last attempt of its cap, for a correct PIN too', async () => {
    const { change, enrol, guess, attempts, clock } = await open();
    await change('alice', {});
    await enrol('alice', FOUR);
    const outcomes: string[] = [];
    for (let n = 0; n < 11; n++) {
      outcomes.push((await guess(n === 10 ? FOUR : OTHER)).outcome);
      clock.advance(86_400_000);
    }
    expect(outcomes).toEqual([...Array<string>(9).fill('rejected'), 'disabled', 'disabled']);
    expect(attempts.facts.filter(({ kind }) => kind === 'credential.disabled')).toHaveLength(1);
  });

  it('is not compared if it is the reserved one and its caller is unrecognized, and is answered as at an unknown reference', async () => {
    const { change, enrol, guess, attempts } = await open();
    await change('alice', {});
    await enrol('alice', PIN);
    expect((await guess(PIN)).outcome).toBe('verified');
    const play = async (subjectRef: string): Promise<unknown[]> => {
      const replies: unknown[] = [];
      for (const pin of [OTHER, OTHER, PIN, PIN]) {
        const reply = await guess(pin, { subjectRef, callerKey: 'd'.repeat(64) });
        replies.push({ ...reply, commandId: 'masked', verificationId: 'masked' });
      }
      return replies;
    };
    expect(await play('alice')).toEqual(await play('nobody'));
    const notCompared = attempts.facts.filter(({ detail }) => detail?.['compared'] === false);
    expect(notCompared).toMatchObject([{ subject: 'alice', outcome: 'locked', attempt: 4 }]);
    expect((await guess(PIN)).outcome).toBe('verified');
  });

  it('is not compared beyond half of the cap if its caller is unrecognized, and is answered as at an unknown reference', async () => {
    const { change, enrol, guess, attempts, clock } = await open();
    await change('alice', {});
    await enrol('alice', FOUR);
    expect((await guess(FOUR)).outcome).toBe('verified');
    const play = async (subjectRef: string): Promise<string[]> => {
      const outcomes: string[] = [];
      for (let n = 0; n < 12; n++) {
        const pin = n === 7 ? FOUR : OTHER;
        outcomes.push((await guess(pin, { subjectRef, callerKey: 'd'.repeat(64) })).outcome);
        clock.advance(86_400_000);
      }
      return outcomes.map((outcome) => (outcome === 'disabled' ? 'locked' : outcome));
    };
    expect(await play('alice')).toEqual(await play('nobody'));
    expect(attempts.facts.filter(({ detail }) => detail?.['compared'] === false)).toHaveLength(4);
    expect((await guess(FOUR)).outcome).toBe('verified');
  });

  it('over REST never uses the reserved attempt and recognizes no caller, whatever number the request states', async () => {
    const { change, enrol, guess } = await open();
    await change('alice', { phones: [PHONE] });
    await enrol('alice', PIN);
    const number = { subjectKind: 'phone', subjectRef: phoneDigest('acme', PHONE) } as const;
    const outcomes = async (pin: string, channel: 'swaig' | 'rest', times = 1): Promise<string[]> => {
      const all: string[] = [];
      for (let n = 0; n < times; n++) all.push((await guess(pin, { ...number, channel })).outcome);
      return all;
    };
    expect(await outcomes(PIN, 'rest')).toEqual(['verified']);
    expect(await outcomes(PIN, 'swaig')).toEqual(['verified']);
    expect(await outcomes(OTHER, 'rest', 4)).toEqual(['rejected', 'rejected', 'locked', 'locked']);
    expect(await outcomes(PIN, 'rest')).toEqual(['locked']);
    expect(await outcomes(PIN, 'swaig')).toEqual(['verified']);
    expect(await outcomes(OTHER, 'swaig')).toEqual(['locked']);
    expect(await outcomes(PIN, 'swaig')).toEqual(['locked']);
  });

  it('is unavailable and recognizes no caller if another PIN came into force during the comparison', async () => {
    const { change, enrol, guess, attempts } = await open();
    await change('alice', {});
    await enrol('alice', PIN);
    const store = attempts.decide.bind(attempts);
    attempts.decide = async (outcome) => {
      attempts.decide = store;
      await enrol('alice', OTHER);
      return store(outcome);
    };
    const overtaken = await guess(PIN, { callId: 'c1' });
    expect(overtaken).toMatchObject({ outcome: 'unavailable', level: 'none' });
    expect(overtaken.verificationId).toBeDefined();
    expect(attempts.ledger.filter(({ success }) => success)).toEqual([]);
    expect(attempts.facts.map(({ kind, outcome }) => [kind, outcome])).toEqual([['attempt.decided', 'unavailable']]);
    expect(await guess(PIN)).toMatchObject({ outcome: 'rejected', attemptsLeft: 1 });
    expect((await guess(OTHER)).outcome).toBe('verified');
  });

  it('records the attestation of the caller number in its facts', async () => {
    const { change, enrol, guess, attempts } = await open();
    await change('alice', {});
    await enrol('alice', PIN);
    await guess(PIN, { attestation: 'TN-Validation-Passed-A' });
    await guess(PIN);
    const decided = attempts.facts.filter(({ kind }) => kind === 'attempt.decided');
    expect(decided.map(({ attestation }) => attestation)).toEqual(['TN-Validation-Passed-A', undefined]);
  });

  it('puts neither the PIN nor the telephone number into its facts', async () => {
    const { change, enrol, guess, attempts } = await open();
    await change('alice', { phones: [PHONE] });
    await enrol('alice', PIN);
    await guess(PIN);
    await guess(OTHER);
    const text = JSON.stringify(attempts.facts);
    for (const secret of [PIN, OTHER, PHONE, PHONE.slice(1)]) expect(text).not.toContain(secret);
  });
});

describe('the signals of a wrong PIN', () => {
  const kindsOf = ({ attempts }: VerificationTestBed): string[] =>
    attempts.facts.map(({ kind }) => kind).filter((kind) => kind.startsWith('signal.'));

  /** One wrong PIN away from a signal. */
  const openSprayed = async (): Promise<VerificationTestBed> => {
    const bed = await open();
    bed.signalPolicy = { stricter: true, subjectsPerPin: 2 };
    await bed.guess(OTHER, { subjectRef: 'alice' });
    return bed;
  };

  it('are stored with the outcome of the attempt, once, however often the reply to it is lost', async () => {
    const bed = await openSprayed();
    const second = await bed.command(OTHER, { subjectRef: 'bob' });
    for (let delivery = 0; delivery < 3; delivery++) await bed.decide(second);
    await bed.guess(OTHER, { subjectRef: 'carol' });
    expect(kindsOf(bed)).toEqual(['signal.pin_spray']);
    expect(bed.attempts.tightened).toMatchObject([{ tenant: 'acme', seconds: 600 }]);
  });

  it('are stored by the next delivery of the command if its outcome could not be stored', async () => {
    const bed = await openSprayed();
    const { attempts } = bed;
    const store = attempts.decide.bind(attempts);
    attempts.decide = () => Promise.reject(new ServiceError('DATABASE_UNAVAILABLE', 'the database is down', true));
    const second = await bed.command(OTHER, { subjectRef: 'bob' });
    await expect(bed.decide(second)).rejects.toThrow('the database is down');
    attempts.decide = store;
    expect(kindsOf(bed)).toEqual([]);
    await bed.decide(second);
    expect(kindsOf(bed)).toEqual(['signal.pin_spray']);
    expect(bed.attempts.tightened).toHaveLength(1);
  });

  it('are stored with the next wrong PIN if another delivery of the command stored its outcome first', async () => {
    const bed = await openSprayed();
    const { attempts } = bed;
    const store = attempts.decide.bind(attempts);
    attempts.decide = async ({ facts: _, tighten: __, ...outcome }) => {
      attempts.decide = store;
      await store({ ...outcome, reply: message(VerificationDecided, { ...outcome.reply }), facts: [] });
      return store({ ...outcome, facts: [] });
    };
    await bed.guess(OTHER, { subjectRef: 'bob' });
    expect(kindsOf(bed)).toEqual([]);
    await bed.guess(OTHER, { subjectRef: 'carol' });
    expect(kindsOf(bed)).toEqual(['signal.pin_spray']);
  });
});

describe('an enrolment', () => {
  it('returns the rule that a PIN breaks, and not the PIN', async () => {
    const { change, enrol } = await open();
    await change('alice', {});
    expect(await enrol('alice', '11111111')).toMatchObject({ answer: 'invalid', violations: [{ field: 'pin' }] });
    expect(JSON.stringify(await enrol('alice', '12345678'))).not.toContain('12345678');
    expect(await enrol('nobody', PIN)).toMatchObject({ answer: 'not_found' });
  });

  it('gives no new attempts', async () => {
    const { change, enrol, guess } = await open();
    await change('alice', {});
    await enrol('alice', PIN);
    for (let n = 0; n < 3; n++) await guess(OTHER);
    expect(await enrol('alice', OTHER)).toMatchObject({ answer: 'updated' });
    expect((await guess(OTHER)).outcome).toBe('locked');
  });

  it('gives a telephone number to one subject only, however it is written', async () => {
    const { change } = await open();
    expect(await change('alice', { phones: [PHONE] })).toMatchObject({ answer: 'created' });
    expect(await change('bob', { phones: ['+1 202-555-0123'] })).toMatchObject({ answer: 'taken' });
    expect(await change('alice', { phones: [] })).toMatchObject({ answer: 'updated' });
    expect(await change('bob', { phones: [PHONE] })).toMatchObject({ answer: 'created' });
  });

  it('refuses an invalid telephone number and returns its position', async () => {
    const { change } = await open();
    expect(await change('alice', { phones: [PHONE, '5550123'] })).toMatchObject({
      answer: 'invalid',
      violations: [{ field: 'phones[1]' }],
    });
  });
});
