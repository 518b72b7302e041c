import { randomBytes } from 'node:crypto';
import { LimitRefundRequested, type VerificationAdmitted } from '@countersign/contracts';
import { answerMac, createReplyKey } from '@countersign/crypto';
import { type BusContext } from '@countersign/messaging';
import { OTHER, PIN, POLICY, VerificationTestBed } from '../../test/test-bed.js';
import { AttemptsHandler } from './attempts.handler.js';

const NOW = 1000;

/** The context of a record with this deadline. */
function contextOf(deadline: number): BusContext {
  const where = { topic: 'verification.admissions', partition: 0, offset: '0' };
  return { ...where, headers: {}, deadline, now: NOW, replyTo: undefined };
}

/** Returns whether the limits that a command used are refunded. */
function refundsOf({ answerAttempt }: VerificationTestBed) {
  const handler = new AttemptsHandler(answerAttempt);
  return async (command: VerificationAdmitted, deadline = NOW + 1): Promise<boolean> => {
    const sent = await handler.verify(command, contextOf(deadline));
    const refunds = sent.flatMap((one) =>
      one && 'message' in one && one.message instanceof LimitRefundRequested ? one.message : [],
    );
    const { commandId, callerKey } = command;
    for (const refund of refunds) expect(refund).toMatchObject({ commandId, callerKey });
    return refunds.length > 0;
  };
}

/** Takes all hash slots of the bed. @returns a function that returns them */
function takeSlots({ vault }: VerificationTestBed): () => void {
  const slots = [1, 2].map(() => vault.reserve({ tenant: 'acme', agent: 'desk', caller: 'c' }));
  return () => {
    for (const slot of slots) slot?.release();
  };
}

describe('the proof of a reply', () => {
  /** The proof of the text `t` that goes with the reply; undefined: the server signs the reply. */
  const proofOf = async ({ answerAttempt }: VerificationTestBed, command: VerificationAdmitted) => {
    const context = { ...contextOf(NOW + 1), replyTo: 'replies.test' };
    const [reply] = await new AttemptsHandler(answerAttempt).verify(command, context);
    return reply && 'message' in reply ? reply.sign?.('t') : 'no reply';
  };
  const macOf = (replyKey: string): string | undefined => answerMac(replyKey)?.('t');

  it('is a MAC under the reply key of each delivery, whatever the outcome', async () => {
    const bed = await VerificationTestBed.open(0);
    await bed.enrol('alice', PIN);
    const send = async (secret: unknown, more: { commandId?: string } = {}): Promise<void> => {
      const replyKey = createReplyKey();
      const command = await bed.command(secret, more, undefined, bed.hash, { replyKey, acceptsMac: true });
      expect(await proofOf(bed, command)).toBe(macOf(replyKey));
    };
    const { commandId } = await bed.command(PIN);
    await send(PIN, { commandId });
    await send(PIN, { commandId });
    await send(OTHER, { commandId });
    await send(OTHER);
    const returnSlots = takeSlots(bed);
    await send(PIN);
    returnSlots();
  });

  it.each([
    ['an adapter that does not accept MACs', { replyKey: createReplyKey() }],
    ['a request without a reply key', { acceptsMac: true }],
    ['a reply key that is not valid', { replyKey: 'short', acceptsMac: true }],
    ['an unclear statement', { replyKey: createReplyKey(), acceptsMac: 'yes' }],
  ])('is the signature of the service for %s', async (_, replies) => {
    const bed = await VerificationTestBed.open();
    expect(await proofOf(bed, await bed.command(PIN, {}, undefined, bed.hash, replies))).toBeUndefined();
  });

  it('is the signature of the service for a payload that is bound to other fields', async () => {
    const bed = await VerificationTestBed.open();
    const replies = { replyKey: createReplyKey(), acceptsMac: true };
    const command = await bed.command(PIN, {}, undefined, bed.hash, replies);
    expect(await proofOf(bed, Object.assign(command, { agent: 'another' }))).toBeUndefined();
  });
});

describe('limits of an attempt', () => {
  it('are refunded if no hash slot was free, and not after the comparison', async () => {
    const bed = await VerificationTestBed.open(0);
    const isRefunded = refundsOf(bed);
    const returnSlots = takeSlots(bed);
    const command = await bed.command(PIN);
    expect(await isRefunded(command)).toBe(true);
    returnSlots();
    expect(await isRefunded(command)).toBe(false);
  });

  it('are not refunded if a repeated command finds no free hash slot after its attempt was counted', async () => {
    const bed = await VerificationTestBed.open(0);
    const isRefunded = refundsOf(bed);
    const command = await bed.command(OTHER);
    expect(await isRefunded(command)).toBe(false);
    const returnSlots = takeSlots(bed);
    expect(await bed.decide(command)).toMatchObject({ outcome: 'unavailable' });
    expect(await isRefunded(command)).toBe(false);
    returnSlots();
  });

  it.each([
    ['of a command that was not counted', false],
    ['under the id of a command that was counted', true],
  ])('are not refunded for a payload that does not decrypt, %s', async (_, isCounted) => {
    const bed = await VerificationTestBed.open();
    const isRefunded = refundsOf(bed);
    const command = await bed.command(OTHER);
    if (isCounted) expect(await isRefunded(command)).toBe(false);
    const broken = Object.assign(await bed.command(PIN, { commandId: command.commandId }), {
      sealed: randomBytes(64).toString('base64url'),
    });
    expect(broken.commandId).toBe(command.commandId);
    expect(await bed.decide(broken)).toMatchObject({ outcome: 'unavailable', level: 'none' });
    expect([await isRefunded(broken), await isRefunded(broken, NOW - 1)]).toEqual([false, false]);
    expect(bed.attempts.facts).toHaveLength(isCounted ? 1 : 0);
  });

  it('are refunded if verification got the command after its deadline, unless its attempt was counted before', async () => {
    const bed = await VerificationTestBed.open();
    const isRefunded = refundsOf(bed);
    const [late, decided, undecided] = [await bed.command(OTHER), await bed.command(OTHER), await bed.command(OTHER)];
    expect(await isRefunded(late, NOW - 1)).toBe(true);
    expect(bed.attempts.facts).toHaveLength(0);
    expect([await isRefunded(decided), await isRefunded(decided, NOW - 1)]).toEqual([false, false]);
    const counted = {
      ...undecided,
      ...(await bed.countedAs(undecided)),
      attemptId: 'a',
      referenceKey: 'a'.repeat(64),
      subject: undefined,
      callId: undefined,
    };
    await bed.attempts.count({ ...counted, caller: undefined, cap: 10 }, POLICY);
    expect([await isRefunded(undecided, NOW - 1), await isRefunded(undecided, NOW - 1)]).toEqual([false, false]);
    expect(bed.attempts.facts).toHaveLength(2);
  });

  it('are not refunded for a new PIN that breaks a rule', async () => {
    const bed = await VerificationTestBed.open();
    const weak = await bed.command(OTHER, {}, '1234');
    expect(await bed.decide(weak)).toMatchObject({ outcome: 'unavailable', violations: [{ field: 'newPin' }] });
    expect(await refundsOf(bed)(weak)).toBe(false);
  });

  it('are not refunded for another secret under the id of a command that was compared', async () => {
    const bed = await VerificationTestBed.open();
    const first = await bed.command(OTHER);
    await bed.decide(first);
    const other = await bed.command(PIN, { commandId: first.commandId });
    expect(await bed.decide(other)).toMatchObject({ conflict: 'mismatch' });
    expect(await refundsOf(bed)(other)).toBe(false);
  });
});
