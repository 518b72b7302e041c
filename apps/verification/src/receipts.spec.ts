import { randomBytes, randomUUID } from 'node:crypto';
import {
  bindingOf,
  CallStateRequested,
  message,
  ReceiptIntrospectionRequested,
  SubjectEraseRequested,
  VerificationAdmitted,
  VerificationRequested,
  type VerificationDecided,
} from '@countersign/contracts';
import {
  createReceiptKeys,
  createReplyKey,
  createSealingKeys,
  KeyedHash,
  Keyring,
  openReply,
  ReceiptKeys,
  Sealer,
  Secret,
  Unsealer,
} from '@countersign/sealing';
import { ManualClock } from '@countersign/testing';
import { ChangeOwnPin } from './change-own-pin.js';
import { DecideAttempt } from './decide-attempt.js';
import { EnrolPin } from './enrol-pin.js';
import { EraseSubject } from './erase-subject.js';
import { IntrospectReceipt } from './introspect-receipt.js';
import { IssueReceipt } from './issue-receipt.js';
import { MemoryAttemptStore } from './store/attempt.memory-store.js';
import { MemoryCallStore, MemoryErasures, MemoryReceiptStore } from './store/call.memory-store.js';
import { OpenCommand } from './open-command.js';
import { ArgonPinVault } from './store/pin-vault.js';
import { JweSeals } from './store/seals.js';
import { MemorySubjectStore } from './store/subject.memory-store.js';
import { credentialOf } from './store/subject.store.contract.js';
import { EveryAgent, OneKnowledge, QuarterOfAnHour } from './test-bed.js';
import { TellCallState } from './tell-call-state.js';

const PIN = '83729164';
const OTHER = '19283746';
const TERMS = { issuer: 'https://verify.example.com', seconds: 300 };
const MINUTE = 60_000;

const secret = (): Secret => new Secret(randomBytes(32).toString('base64url'));

/** One guess, and what became of its answer. */
interface Played {
  readonly decided: VerificationDecided;
  /** Opened with the key of the request; undefined: there was none. */
  readonly receipt: string | undefined;
}

async function open() {
  const sealing = await createSealingKeys('s1');
  const sealer = await Sealer.fromKeySet(sealing.publicKeys);
  const seals = new JweSeals(await Unsealer.fromKeySet(new Secret(sealing.privateKeys)));
  const hash = new KeyedHash(secret());
  const keyring = new Keyring(new Secret(`k1:${secret().reveal()}`));
  const cost = { memoryKib: 8, passes: 1, lanes: 1 };
  const vault = await ArgonPinVault.open({ keyring, cost, concurrency: 2, queueLimit: 100 });
  const clock = new ManualClock();
  const attempts = new MemoryAttemptStore(clock);
  const subjects = new MemorySubjectStore(hash, attempts);
  const keys = ReceiptKeys.fromKeySet(new Secret(createReceiptKeys('r1')));
  const verify = new DecideAttempt(
    subjects,
    attempts,
    vault,
    new OpenCommand(seals, hash),
    new EveryAgent(),
    new QuarterOfAnHour(),
    new OneKnowledge(),
    new ChangeOwnPin(subjects, new EnrolPin(subjects, vault)),
  );
  const issue = new IssueReceipt(keys, seals, TERMS);
  const receipts = new MemoryReceiptStore(subjects, clock);
  const introspect = new IntrospectReceipt(keys, seals, receipts, TERMS.issuer);
  const calls = new TellCallState(new MemoryCallStore(attempts.calls, subjects, clock));
  const erasure = new EraseSubject(new MemoryErasures(subjects, attempts.calls));

  for (const subject of ['alice', 'bob']) {
    await subjects.change(randomUUID(), 'acme', subject, { displayName: subject.toUpperCase() });
    const credential = credentialOf({ cap: 50, wrap: await vault.prepare(PIN, 'acme') });
    await subjects.enrol(randomUUID(), 'acme', subject, credential);
  }

  const play = async (pin: string, more: Partial<VerificationAdmitted> & { replyKey?: unknown } = {}) => {
    const { replyKey = createReplyKey(), ...fields } = more;
    const described = {
      commandId: randomUUID(),
      repeatSeconds: 86_400,
      tenant: 'acme',
      agent: 'desk',
      channel: 'rest',
      method: 'pin',
      subjectKind: 'id',
      subjectRef: 'alice',
      callId: 'call-1',
      callerKey: 'c'.repeat(64),
      subjectIsCaller: false,
      callerTail: '23',
      ...fields,
    } as const;
    const sealed = await sealer.seal({ pin, replyKey }, bindingOf(VerificationRequested, described));
    const command = message(VerificationAdmitted, { sealed, ...described });
    const decided = await issue.attach(command, await verify.execute(command));
    const receipt = decided.receipt === undefined ? undefined : openReply(decided.receipt, String(replyKey));
    return { decided, receipt } satisfies Played;
  };
  const ask = async (receipt: string, more: Partial<ReceiptIntrospectionRequested> = {}) => {
    const asked = { commandId: randomUUID(), tenant: 'acme', agent: 'bank', consume: false, ...more };
    const sealed = await sealer.seal({ receipt }, bindingOf(ReceiptIntrospectionRequested, asked));
    return introspect.execute(message(ReceiptIntrospectionRequested, { sealed, ...asked }));
  };
  const state = (callId = 'call-1', tenant = 'acme') =>
    calls.execute(message(CallStateRequested, { tenant, agent: 'desk', callId }));
  const erase = (subject: string, commandId: string = randomUUID()) =>
    erasure.execute(message(SubjectEraseRequested, { commandId, tenant: 'acme', subject }));
  return { play, ask, state, erase, clock, attempts, receipts, keys };
}

describe('a receipt', () => {
  it('states who was verified, by whom, how and when, for at most its time', async () => {
    const { play, keys, clock } = await open();
    const { decided, receipt } = await play(PIN);
    const iat = Math.floor(clock.now() / 1000);
    expect(keys.verify(receipt ?? '')).toEqual({
      iss: TERMS.issuer,
      aud: 'acme',
      sub: 'alice',
      call_id: 'call-1',
      agent: 'desk',
      level: 'verified',
      method: 'pin',
      jti: decided.verificationId,
      iat,
      exp: iat + 300,
    });
  });

  it('is not made for a failure, nor for a request that brought no key', async () => {
    const { play } = await open();
    expect((await play(OTHER)).receipt).toBeUndefined();
    expect((await play(PIN, { replyKey: 'short' })).decided).toMatchObject({ outcome: 'verified' });
    expect((await play(PIN, { replyKey: 'short' })).receipt).toBeUndefined();
  });

  it('is the same when the request is repeated, under the key of the repetition, and is kept nowhere', async () => {
    const { play, attempts, clock } = await open();
    const commandId = randomUUID();
    const first = await play(PIN, { commandId });
    clock.advance(MINUTE);
    const again = await play(PIN, { commandId });
    expect(again.receipt).toBe(first.receipt);
    expect(again.decided.receipt).not.toBe(first.decided.receipt);
    expect(again.decided).toEqual({ ...first.decided, receipt: again.decided.receipt });
    expect(JSON.stringify([attempts.facts, [...attempts.calls]])).not.toContain(first.receipt?.split('.')[2]);
    expect(attempts.facts.map(({ kind }) => kind)).toEqual(['attempt.decided', 'receipt.issued']);
    expect(attempts.facts[1]).toMatchObject({ verificationId: first.decided.verificationId });
  });

  it('is active for its tenant and call, and tells its claims', async () => {
    const { play, ask, keys } = await open();
    const { receipt = '' } = await play(PIN);
    expect(await ask(receipt, { callId: 'call-1' })).toMatchObject({ active: true, claims: keys.verify(receipt) });
    expect(await ask(receipt)).toMatchObject({ active: true });
  });

  it('is not active, and nothing more is told, when anything about it is wrong', async () => {
    const { play, ask, clock, erase } = await open();
    const { receipt = '' } = await play(PIN);
    const refused = async (answer: ReturnType<typeof ask>): Promise<void> => {
      expect({ ...(await answer), commandId: '' }).toEqual({ commandId: '', active: false });
    };
    await refused(ask(receipt, { tenant: 'umbrella' }));
    await refused(ask(receipt, { callId: 'call-2' }));
    const other = receipt.at(-9) === 'A' ? 'B' : 'A';
    await refused(ask(`${receipt.slice(0, -9)}${other}${receipt.slice(-8)}`));
    await refused(ask('nonsense'));
    await refused(ask(receipt, { sealed: 'nonsense' }));
    await refused(ask((await open().then(({ play: elsewhere }) => elsewhere(PIN))).receipt ?? ''));
    clock.advance(4 * MINUTE);
    expect(await ask(receipt)).toMatchObject({ active: true });
    clock.advance(MINUTE + 1000);
    await refused(ask(receipt));
    const { receipt: later = '' } = await play(PIN);
    await erase('alice');
    await refused(ask(later));
  });

  it('is spent by one of many who try at once, and for that one however often it is delivered', async () => {
    const { play, ask, receipts } = await open();
    const { receipt = '', decided } = await play(PIN);
    const ids = Array.from({ length: 20 }, () => randomUUID());
    const answers = await Promise.all(ids.map((commandId) => ask(receipt, { commandId, consume: true })));
    expect(answers.filter(({ active }) => active)).toHaveLength(1);
    const winner = answers.find(({ active }) => active)?.commandId ?? '';
    expect(await ask(receipt, { commandId: winner, consume: true })).toMatchObject({ active: true });
    expect(await ask(receipt)).toMatchObject({ active: false });
    expect(receipts.facts).toMatchObject([
      { kind: 'receipt.consumed', agent: 'bank', subject: 'alice', verificationId: decided.verificationId },
    ]);
  });

  it('is not spent by who may not use it', async () => {
    const { play, ask } = await open();
    const { receipt = '' } = await play(PIN);
    expect(await ask(receipt, { tenant: 'umbrella', consume: true })).toMatchObject({ active: false });
    expect(await ask(receipt, { callId: 'call-2', consume: true })).toMatchObject({ active: false });
    expect(await ask(receipt, { consume: true })).toMatchObject({ active: true });
  });
});

describe('the state of a call', () => {
  it('is not verified before a success, in another call, or for another tenant', async () => {
    const { play, state } = await open();
    const unknown = { verified: false, level: 'none' };
    await play(OTHER);
    expect({ ...(await state()) }).toEqual(unknown);
    await play(PIN);
    expect(await state()).toMatchObject({ verified: true });
    expect({ ...(await state('call-2')) }).toEqual(unknown);
    expect({ ...(await state('call-1', 'umbrella')) }).toEqual(unknown);
  });

  it('is verified after a success, for the time of the policy', async () => {
    const { play, state, clock } = await open();
    const { decided } = await play(PIN);
    expect({ ...(await state()) }).toEqual({
      verified: true,
      level: 'verified',
      subject: 'alice',
      verificationId: decided.verificationId,
      verifiedAt: new Date(clock.now()).toISOString(),
      expiresAt: new Date(clock.now() + 15 * MINUTE).toISOString(),
    });
    expect(decided).toMatchObject({ expiresAt: (await state()).expiresAt });
    clock.advance(15 * MINUTE);
    expect(await state()).toMatchObject({ verified: false });
  });

  it('stays after a failure, and is for another subject after a success of theirs', async () => {
    const { play, state } = await open();
    await play(PIN);
    await play(OTHER);
    expect(await state()).toMatchObject({ verified: true, subject: 'alice' });
    await play(PIN, { subjectRef: 'bob' });
    expect(await state()).toMatchObject({ verified: true, subject: 'bob' });
  });
});

describe('erasing a subject', () => {
  it('forgets subject, PIN and calls, and leaves the counter of guesses', async () => {
    const { play, state, erase } = await open();
    await play(PIN);
    await play(OTHER);
    await play(OTHER);
    expect(await erase('alice')).toMatchObject({ answer: 'updated' });
    expect(await state()).toMatchObject({ verified: false });
    expect((await play(PIN)).decided).toMatchObject({ outcome: 'locked' });
  });

  it('is answered alike when the command comes twice, and finds nobody after that', async () => {
    const { erase } = await open();
    const commandId = randomUUID();
    expect(await erase('alice', commandId)).toMatchObject({ answer: 'updated' });
    expect(await erase('alice', commandId)).toMatchObject({ answer: 'updated' });
    expect(await erase('alice')).toMatchObject({ answer: 'not_found' });
  });

  it('leaves a stored answer without a name', async () => {
    const { play, erase } = await open();
    const commandId = randomUUID();
    expect((await play(PIN, { commandId })).decided).toMatchObject({ displayName: 'ALICE' });
    expect((await play(PIN, { commandId })).decided).toMatchObject({ displayName: 'ALICE' });
    await erase('alice');
    expect((await play(PIN, { commandId })).decided.displayName).toBeUndefined();
  });
});
