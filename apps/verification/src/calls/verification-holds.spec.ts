import { randomUUID } from 'node:crypto';
import { MINUTE, openCallBed, OTHER, PIN } from '../../test/call-test-bed.js';

type Bed = Awaited<ReturnType<typeof openCallBed>>;

const NEW_PIN = '60617283';

/** Everything that states who is on the call: its state, the receipt, and the stored reply to the first request. */
async function verifiedCall(bed: Bed, more: Parameters<Bed['play']>[1] = {}) {
  const commandId = randomUUID();
  const { receipt = '', decided } = await bed.play(PIN, { ...more, commandId });
  expect(decided).toMatchObject({ outcome: 'verified' });
  const holds = async () => ({
    state: (await bed.state()).verified,
    receipt: (await bed.ask(receipt)).active,
    consumed: (await bed.ask(receipt, { consume: true })).active,
    again: (await bed.play(PIN, { ...more, commandId })).decided,
  });
  return { commandId, receipt, decided, holds };
}

const ENDED = {
  state: false,
  receipt: false,
  consumed: false,
  again: expect.objectContaining({ outcome: 'unavailable', level: 'none', conflict: 'ended' }) as unknown,
};
const HELD = {
  state: true,
  receipt: true,
  consumed: true,
  again: expect.objectContaining({ outcome: 'verified' }) as unknown,
};

describe('the receipt of a verification', () => {
  it('expires with the verification if that ends before the lifetime of the receipt', async () => {
    const bed = await openCallBed();
    bed.policies.changed.set('desk', { verifiedSeconds: 60 });
    bed.clock.advance(700);
    const { receipt = '', decided } = await bed.play(PIN);
    const claims = bed.keys.verify(receipt);
    expect(claims).toMatchObject({ exp: Math.floor(Date.parse(decided.expiresAt ?? '') / 1000) });
    bed.clock.advance(59_000);
    expect(await bed.ask(receipt)).toMatchObject({ active: true });
    bed.clock.advance(1000);
    expect(await bed.ask(receipt)).toMatchObject({ active: false });
  });

  it('expires at the same time if the stored reply is repeated just before', async () => {
    const bed = await openCallBed();
    bed.policies.changed.set('desk', { verifiedSeconds: 60 });
    const commandId = randomUUID();
    const first = await bed.play(PIN, { commandId });
    bed.clock.advance(59_000);
    expect((await bed.play(PIN, { commandId })).receipt).toBe(first.receipt);
    bed.clock.advance(1000);
    expect(await bed.play(PIN, { commandId })).toMatchObject({ receipt: undefined, decided: { conflict: 'ended' } });
  });
});

describe('the stored reply of a success', () => {
  it('states the time of its repetition, so an adapter can drop an expired receipt', async () => {
    const bed = await openCallBed();
    const commandId = randomUUID();
    expect((await bed.play(PIN, { commandId })).decided.repeatedAt).toBeUndefined();
    bed.clock.advance(6 * MINUTE);
    const { decided } = await bed.play(PIN, { commandId });
    expect(decided).toMatchObject({ outcome: 'verified', repeatedAt: new Date(bed.clock.now()).toISOString() });
  });
});

describe('a verification, the same for its call, its receipt and its stored reply', () => {
  it('holds until it expires, also after a failure at the same subject', async () => {
    const bed = await openCallBed();
    const { holds } = await verifiedCall(bed);
    await bed.play(OTHER);
    expect(await holds()).toEqual(HELD);
  });

  it('uses up no attempt if its command is repeated', async () => {
    const bed = await openCallBed();
    const { holds } = await verifiedCall(bed);
    const before = bed.attempts.facts.length;
    await bed.erase('alice');
    await holds();
    expect(bed.attempts.facts).toHaveLength(before);
  });

  it.each([
    ['with its time', (bed: Bed) => Promise.resolve(bed.clock.advance(15 * MINUTE))],
    ['when an administrator sets another PIN', (bed: Bed) => bed.setPin('alice', NEW_PIN)],
    ['when an administrator sets the same PIN anew', (bed: Bed) => bed.setPin('alice', PIN)],
    ['when an administrator demands a change', (bed: Bed) => bed.setPin('alice', PIN, true)],
    ['when the subject is erased', (bed: Bed) => bed.erase('alice')],
    [
      'for ever when the subject is erased and created again in the same millisecond',
      async (bed: Bed) => {
        await bed.erase('alice');
        await bed.create('alice');
      },
    ],
    [
      'when its agent is deleted, and created again under the same id',
      (bed: Bed) => Promise.resolve(bed.policies.changed.set('desk', { agentCreatedAt: new Date().toISOString() })),
    ],
    ['when the caller fails at another subject', (bed: Bed) => bed.play(OTHER, { subjectRef: 'bob' })],
    ['when the caller fails at an unknown subject', (bed: Bed) => bed.play(OTHER, { subjectRef: 'nobody' })],
    [
      'when the caller fails at the answers of another subject',
      (bed: Bed) => bed.play(OTHER, { subjectRef: 'bob', method: 'knowledge' }),
    ],
  ])('ends %s', async (_, end) => {
    const bed = await openCallBed();
    const { holds } = await verifiedCall(bed);
    await end(bed);
    expect(await holds()).toEqual(ENDED);
  });

  it('ends when another subject is locked in the same call', async () => {
    const bed = await openCallBed();
    for (let n = 0; n < 3; n++) await bed.play(OTHER, { subjectRef: 'bob', callId: 'call-2' });
    const { holds } = await verifiedCall(bed);
    expect((await bed.play(PIN, { subjectRef: 'bob' })).decided).toMatchObject({ outcome: 'locked' });
    expect(await holds()).toEqual(ENDED);
  });

  it('ends for the first subject when the caller is verified as another', async () => {
    const bed = await openCallBed();
    const { receipt } = await verifiedCall(bed);
    const bob = await bed.play(PIN, { subjectRef: 'bob' });
    expect(await bed.state()).toMatchObject({ verified: true, subject: 'bob' });
    expect(await bed.ask(receipt)).toMatchObject({ active: false });
    expect(await bed.ask(bob.receipt ?? '')).toMatchObject({ active: true });
  });

  it('stays ended when the caller is verified as the first subject again, which is a new verification', async () => {
    const bed = await openCallBed();
    const { receipt } = await verifiedCall(bed);
    await bed.play(OTHER, { subjectRef: 'bob' });
    const again = await bed.play(PIN);
    expect(await bed.state()).toMatchObject({ verified: true, verificationId: again.decided.verificationId });
    expect(await bed.ask(receipt)).toMatchObject({ active: false });
    expect(await bed.ask(again.receipt ?? '')).toMatchObject({ active: true });
  });

  it.each([
    ['a failure at another subject in another call', { subjectRef: 'bob', callId: 'call-2' }],
    ['a failure at another subject at another agent', { subjectRef: 'bob', agent: 'kiosk' }],
  ])('is not ended by %s', async (_, more) => {
    const bed = await openCallBed();
    const { holds } = await verifiedCall(bed);
    await bed.play(OTHER, more);
    expect(await holds()).toEqual(HELD);
  });

  it('without a call is ended by no other attempt', async () => {
    const bed = await openCallBed();
    const { receipt = '' } = await bed.play(PIN, { callId: null });
    await bed.play(OTHER, { callId: null, subjectRef: 'bob' });
    expect(await bed.ask(receipt)).toMatchObject({ active: true });
  });

  it('outlasts a change of the credential if the policy allows it, except for the stored reply', async () => {
    const bed = await openCallBed();
    bed.policies.changed.set('desk', { endVerificationOnChange: false });
    const { holds } = await verifiedCall(bed);
    await bed.setPin('alice', NEW_PIN);
    expect(await holds()).toEqual({ ...HELD, again: ENDED.again });
  });
});

describe('a caller who changes their PIN', () => {
  it('stays verified in that call, and every other verification by the old PIN ends', async () => {
    const bed = await openCallBed();
    const other = await bed.play(PIN, { callId: 'call-2' });
    const commandId = randomUUID();
    const changed = await bed.play(PIN, { newPin: NEW_PIN, commandId });
    expect(changed.decided).toMatchObject({ outcome: 'verified', pinChanged: true });
    expect(await bed.state()).toMatchObject({ verified: true, subject: 'alice' });
    expect(await bed.ask(changed.receipt ?? '')).toMatchObject({ active: true });
    expect((await bed.play(PIN, { newPin: NEW_PIN, commandId })).decided).toMatchObject({ pinChanged: true });
    expect(await bed.state('call-2')).toMatchObject({ verified: false });
    expect(await bed.ask(other.receipt ?? '')).toMatchObject({ active: false });
  });
});

describe('the state of a call that an agent verified', () => {
  const at = (bed: Bed, agent: string) => bed.state('call-1', 'acme', agent);

  it('does not count for another agent of the tenant, and attempts of that agent do not replace it', async () => {
    const bed = await openCallBed();
    const { receipt } = await verifiedCall(bed);
    expect(await at(bed, 'kiosk')).toMatchObject({ verified: false, level: 'none' });
    expect(await bed.ask(receipt, { agent: 'kiosk' })).toMatchObject({ active: false });
    expect(await bed.ask(receipt, { agent: 'kiosk', consume: true })).toMatchObject({ active: false });
    await bed.play(PIN, { agent: 'kiosk', subjectRef: 'bob' });
    expect(await at(bed, 'desk')).toMatchObject({ verified: true, subject: 'alice' });
    expect(await at(bed, 'kiosk')).toMatchObject({ verified: true, subject: 'bob' });
  });

  it('counts for an agent whose policy trusts the first one, with the levels and times of its own policy', async () => {
    const bed = await openCallBed();
    bed.knowledge.policy = { ...bed.knowledge.policy, waiver: { owner: 'Ada', reason: 'x', expires: '2999-01-01' } };
    bed.policies.changed.set('bank', { trustsCallsOf: ['desk'], verifiedSeconds: 120 });
    const { receipt } = await verifiedCall(bed, { method: 'knowledge' });
    expect(await at(bed, 'desk')).toMatchObject({ level: 'verified' });
    const end = new Date(bed.clock.now() + 2 * MINUTE).toISOString();
    expect(await at(bed, 'bank')).toMatchObject({ level: 'identified', subject: 'alice', expiresAt: end });
    expect(await bed.ask(receipt, { agent: 'bank' })).toMatchObject({
      active: true,
      claims: { level: 'identified', agent: 'desk', exp: Math.floor(Date.parse(end) / 1000) },
    });
    bed.clock.advance(2 * MINUTE);
    expect(await at(bed, 'bank')).toMatchObject({ verified: false });
    expect(await bed.ask(receipt, { agent: 'bank' })).toMatchObject({ active: false });
    expect(await at(bed, 'desk')).toMatchObject({ verified: true });
  });

  it('ends for the trusting agent with a failure at another subject, at either agent', async () => {
    const bed = await openCallBed();
    bed.policies.changed.set('bank', { trustsCallsOf: ['desk'] });
    const { receipt } = await verifiedCall(bed);
    await bed.play(OTHER, { agent: 'bank', subjectRef: 'bob' });
    expect(await at(bed, 'bank')).toMatchObject({ verified: false });
    expect(await bed.ask(receipt, { agent: 'bank' })).toMatchObject({ active: false });
    expect(await at(bed, 'desk')).toMatchObject({ verified: true });
    await bed.play(OTHER, { subjectRef: 'bob' });
    expect(await at(bed, 'desk')).toMatchObject({ verified: false });
  });
});
