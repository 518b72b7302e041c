import { LimitRefundRequested } from '@countersign/contracts';
import { type BusContext } from '@countersign/messaging';
import { createReceiptKeys, createSealingKeys, ReceiptKeys, Secret, PayloadOpener } from '@countersign/crypto';
import { IssueReceipt } from '../receipts/issue-receipt.use-case.js';
import { refundOf } from './limit-refund.js';
import { SprayDetector } from '../abuse/spray-detector.js';
import { JweSealedPayloads } from './sealed-payload.store.js';
import { OTHER, PIN, POLICY, VerificationTestBed } from '../../test/test-bed.js';
import { UnlockSubject } from '../subjects/unlock-subject.use-case.js';
import { VerificationHandler } from './attempts.handler.js';

/** The service as the bus calls it. */
async function handlerOf({
  verify,
  manage,
  subjects,
  attempts,
  clock,
  hash,
}: VerificationTestBed): Promise<VerificationHandler> {
  const receipts = ReceiptKeys.fromKeySet(new Secret(createReceiptKeys('r1')));
  const seals = new JweSealedPayloads(
    await PayloadOpener.fromKeySet(new Secret((await createSealingKeys('s1')).privateKeys)),
  );
  const issue = new IssueReceipt(receipts, seals, { issuer: 'https://verify.example.com', seconds: 300 });
  const watch = new SprayDetector(() => undefined, clock);
  return new VerificationHandler(verify, manage, issue, watch, new UnlockSubject(subjects, attempts, hash));
}

/** Of a record whose asker waits until `deadline`, at the time 1000. */
function contextOf(deadline: number): BusContext {
  const where = { topic: 'verification.admissions', partition: 0, offset: '0' };
  return { ...where, headers: {}, deadline, now: 1000, replyTo: undefined };
}

describe('what a guess has spent of the limits', () => {
  it('is given back when no place was left for its hash, and not when it was compared', async () => {
    const full = await VerificationTestBed.open(0);
    const held = [1, 2].map(() => full.vault.reserve({ tenant: 'acme', agent: 'desk', caller: 'c' }));
    const command = await full.command(PIN);
    expect(refundOf(command, await full.verify.decide(command))).toMatchObject({
      message: { commandId: command.commandId, callerKey: command.callerKey },
    });
    for (const slot of held) slot?.release();
    expect(refundOf(command, await full.verify.decide(command))).toBeUndefined();
  });

  it('is given back when verification came to it too late, and not when it was counted or decided before', async () => {
    const bed = await VerificationTestBed.open();
    const handler = await handlerOf(bed);
    const refunded = async (command: Awaited<ReturnType<typeof bed.command>>, deadline: number): Promise<boolean> => {
      const sent = (await handler.verify(command, contextOf(deadline))) ?? [];
      return sent.some((one) => one && 'message' in one && one.message instanceof LimitRefundRequested);
    };
    const [late, decided, cutOff] = [await bed.command(OTHER), await bed.command(OTHER), await bed.command(OTHER)];
    expect(await refunded(late, 999)).toBe(true);
    expect(bed.attempts.facts).toHaveLength(0);
    expect([await refunded(decided, 1001), await refunded(decided, 999)]).toEqual([false, false]);
    const counted = {
      ...cutOff,
      ...(await bed.countedAs(cutOff)),
      attemptId: 'a',
      referenceKey: 'a'.repeat(64),
      subject: undefined,
      callId: undefined,
    };
    await bed.attempts.count({ ...counted, caller: undefined, cap: 10 }, POLICY);
    expect([await refunded(cutOff, 999), await refunded(cutOff, 999)]).toEqual([false, false]);
    expect(bed.attempts.facts).toHaveLength(2);
  });

  it('is not given back for a new PIN that breaks a rule', async () => {
    const { command, verify } = await VerificationTestBed.open();
    const weak = await command(OTHER, {}, '1234');
    const decided = await verify.decide(weak);
    expect(decided).toMatchObject({ outcome: 'unavailable', violations: [{ field: 'newPin' }] });
    expect(refundOf(weak, decided)).toBeUndefined();
  });

  it('is not given back for another guess under the id of one that was compared', async () => {
    const { command, verify } = await VerificationTestBed.open();
    const first = await command(OTHER);
    await verify.decide(first);
    const other = await command(PIN, { commandId: first.commandId });
    expect(refundOf(other, await verify.decide(other))).toBeUndefined();
  });
});
