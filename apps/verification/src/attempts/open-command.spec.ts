import { bindingOf, message, VerificationAdmitted, VerificationRequested, type FieldsOf } from '@countersign/contracts';
import { digestOf, KeyedHash, Secret } from '@countersign/crypto';
import { commandOfTest, OTHER, PIN, POLICY, VerificationTestBed } from '../../test/test-bed.js';

/** Every field of a request beside its seal, and what a service that forwards it could write instead. */
const ALTERED: Partial<FieldsOf<VerificationAdmitted>>[] = [
  { commandId: 'another-command' },
  { tenant: 'umbrella' },
  { agent: 'help' },
  { channel: 'rest' },
  { method: 'knowledge' },
  { subjectKind: 'phone' },
  { subjectRef: 'mallory' },
  { callId: 'call-2' },
  { callerKey: 'd'.repeat(64) },
  { callerTail: '99' },
  { subjectIsCaller: true },
  { repeatSeconds: 1 },
];

const altered = (command: VerificationAdmitted, change: object): VerificationAdmitted =>
  message(VerificationAdmitted, { ...command, ...change });

const fingerprintIn =
  ({ countedAs }: VerificationTestBed) =>
  async (command: VerificationAdmitted): Promise<string> =>
    (await countedAs(command)).fingerprint;

describe('a sealed command', () => {
  it.each(ALTERED)('does not decrypt with %j in its fields', async (change) => {
    const { command, openCommand } = await VerificationTestBed.open();
    const sent = await command(PIN, { callId: 'call-1' });
    expect(await openCommand.open(sent)).toMatchObject({ pin: PIN });
    expect(await openCommand.open(altered(sent, change))).toBeUndefined();
    expect(await openCommand.open(altered(sent, { callId: undefined }))).toBeUndefined();
  });

  it('is refused if its id is not that of its sealed identity, so the limiter cannot take it for a repetition', async () => {
    const { command, openCommand, sealer } = await VerificationTestBed.open();
    const sent = await command(PIN);
    const sealAs = (digest: string): Promise<string> =>
      sealer.seal(
        { pin: PIN, identity: { command: digest, caller: 'c'.repeat(64) } },
        bindingOf(VerificationRequested, sent),
      );
    const own = commandOfTest(
      new KeyedHash(new Secret(Buffer.alloc(32, 9).toString('base64url'))),
      sent.commandId,
    ).digest;
    expect(await openCommand.open(altered(sent, { sealed: await sealAs(own) }))).toMatchObject({ pin: PIN });
    const other = digestOf('request', 'another-command');
    expect(await openCommand.open(altered(sent, { sealed: await sealAs(other) }))).toBeUndefined();
  });

  it('has stored names that no choice of digests turns into another hash under the key of the tables', async () => {
    const { hash, names, openCommand, sealer, command } = await VerificationTestBed.open();
    const digest = digestOf('success', 'acme', 'any part of a tag');
    const sent = await command(PIN, { subjectKind: 'phone', subjectRef: digest, callerKey: digest });
    const named = altered(sent, { commandId: `test-${hash.hashDigest(digest)}` });
    const identity = { command: digest, subject: digest, caller: digest };
    const sealed = await sealer.seal({ pin: PIN, identity }, bindingOf(VerificationRequested, named));
    const stored = (await openCommand.open(altered(named, { sealed })))?.stored;
    expect(stored).toBeDefined();
    const exposed = [stored?.commandId, stored?.subjectRef, stored?.callerKey];
    expect(new Set(exposed).size).toBe(3);
    expect(exposed).not.toContain(names.hashDigest(digest));
  });

  it('decrypts with the quotas that the limiter adds', async () => {
    const { command, openCommand } = await VerificationTestBed.open();
    const quotas = [{ name: 'agent', limit: 600, periodSeconds: 60, remaining: 599, resetSeconds: 1 }];
    expect(await openCommand.open(altered(await command(PIN), { quotas }))).toMatchObject({ pin: PIN });
  });

  it('has the same fingerprint if the same content is sealed again, and another for any other content', async () => {
    const bed = await VerificationTestBed.open();
    const { command } = bed;
    const fingerprintOf = fingerprintIn(bed);
    const more = { commandId: 'command-1' };
    const first = await fingerprintOf(await command(PIN, more));
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(await fingerprintOf(await command(PIN, more))).toBe(first);
    const others = [
      await command(OTHER, more),
      await command(PIN, more, OTHER),
      await command(PIN, { ...more, callId: 'call-2' }),
      await command(PIN, { ...more, tenant: 'umbrella' }),
      await command(PIN, { ...more, agent: 'help' }),
      await command({ zip: PIN }, { ...more, method: 'knowledge' }),
    ];
    const fingerprints = await Promise.all(others.map(fingerprintOf));
    expect(new Set([first, ...fingerprints]).size).toBe(7);
  });

  it('has the same fingerprint for any order of its answers', async () => {
    const bed = await VerificationTestBed.open();
    const { command } = bed;
    const fingerprintOf = fingerprintIn(bed);
    const more = { commandId: 'command-1', method: 'knowledge' } as const;
    const [first, again] = [
      await command({ zip_code: '94103', last_four_ssn: '6789' }, more),
      await command({ last_four_ssn: '6789', zip_code: '94103' }, more),
    ];
    expect(await fingerprintOf(again)).toBe(await fingerprintOf(first));
  });
});

describe('a sender that repeats a command id with a payload of its own', () => {
  it('gets neither the stored reply, nor a receipt, nor another attempt', async () => {
    const { change, enrol, command, decide, attempts } = await VerificationTestBed.open();
    await change('alice', {});
    await enrol('alice', PIN);
    const victim = await command(PIN);
    expect(await decide(victim)).toMatchObject({ outcome: 'verified' });
    const counted = attempts.facts.length;
    const forged = await command(OTHER, { commandId: victim.commandId });
    expect(await decide(forged)).toMatchObject({ outcome: 'unavailable', level: 'none', conflict: 'mismatch' });
    expect(attempts.facts).toHaveLength(counted);
  });

  it('cannot change a PIN by the correct PIN of another command', async () => {
    const { change, enrol, command, decide, guess } = await VerificationTestBed.open();
    await change('alice', {});
    await enrol('alice', PIN);
    const victim = await command(PIN);
    const { sealed } = await command(PIN, { commandId: victim.commandId }, OTHER);
    const forged = altered(victim, { sealedNewPin: sealed });
    expect(await decide(forged)).toMatchObject({ outcome: 'unavailable' });
    expect(await guess(PIN)).toMatchObject({ outcome: 'verified' });
  });

  it('cannot end an attempt that is being compared by an expired command under its id', async () => {
    const { command, answerAttempt, attempts, countedAs } = await VerificationTestBed.open();
    const victim = await command(PIN);
    const counted = {
      ...victim,
      ...(await countedAs(victim)),
      attemptId: 'a',
      referenceKey: 'a'.repeat(64),
      subject: undefined,
      callId: undefined,
    };
    await attempts.count({ ...counted, caller: undefined, cap: 10 }, POLICY);
    expect(await answerAttempt.abandon(await command(OTHER, { commandId: victim.commandId }))).toBeUndefined();
    expect(await answerAttempt.abandon(altered(victim, { callId: 'another' }))).toBeUndefined();
    expect(attempts.facts).toHaveLength(0);
    expect(await answerAttempt.abandon(victim)).toBeUndefined();
    expect(attempts.facts).toMatchObject([{ kind: 'attempt.decided', outcome: 'unavailable' }]);
  });
});
