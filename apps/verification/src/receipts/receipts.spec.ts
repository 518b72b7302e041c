import { randomUUID } from 'node:crypto';
import { MINUTE, openCallBed as open, OTHER, PIN, TERMS } from '../../test/call-test-bed.js';

describe('a receipt', () => {
  it('needs the payload of its command decrypted only once', async () => {
    const { play, payloads } = await open();
    const decrypt = payloads.open.bind(payloads);
    let decrypted = 0;
    payloads.open = (...sealed) => {
      decrypted++;
      return decrypt(...sealed);
    };
    expect((await play(PIN)).receipt).toBeDefined();
    expect(decrypted).toBe(1);
  });

  it('states subject, agent, method and time of the verification, and expires after its lifetime at most', async () => {
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

  it('is issued neither for a failure nor for a request without a reply key', async () => {
    const { play } = await open();
    expect((await play(OTHER)).receipt).toBeUndefined();
    expect((await play(PIN, { replyKey: 'short' })).decided).toMatchObject({ outcome: 'verified' });
    expect((await play(PIN, { replyKey: 'short' })).receipt).toBeUndefined();
  });

  it('is the same for a repeated command, encrypted with the key of the repetition, and is stored nowhere', async () => {
    const { play, attempts, clock } = await open();
    const commandId = randomUUID();
    const first = await play(PIN, { commandId });
    clock.advance(MINUTE);
    const again = await play(PIN, { commandId });
    expect(again.receipt).toBe(first.receipt);
    expect(again.decided.receipt).not.toBe(first.decided.receipt);
    expect(again.decided).toEqual({
      ...first.decided,
      ...{ receipt: again.decided.receipt, repeatedAt: new Date(clock.now()).toISOString() },
    });
    expect(JSON.stringify([attempts.facts, attempts.ledger])).not.toContain(first.receipt?.split('.')[2]);
    expect(attempts.facts.map(({ kind }) => kind)).toEqual(['attempt.decided', 'receipt.issued']);
    expect(attempts.facts[1]).toMatchObject({ verificationId: first.decided.verificationId });
  });

  it('is active for its tenant and call, and introspection returns its claims', async () => {
    const { play, ask, keys } = await open();
    const { receipt = '' } = await play(PIN);
    expect(await ask(receipt, { callId: 'call-1' })).toMatchObject({ active: true, claims: keys.verify(receipt) });
    expect(await ask(receipt)).toMatchObject({ active: true });
  });

  it('is inactive without a reason if anything about it is wrong', async () => {
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

  it('is consumed by one of many simultaneous commands, and by that one again if it is delivered again', async () => {
    const { play, ask, receipts } = await open();
    const { receipt = '', decided } = await play(PIN);
    const ids = Array.from({ length: 20 }, () => randomUUID());
    const answers = await Promise.all(ids.map((commandId) => ask(receipt, { commandId, consume: true })));
    expect(answers.filter(({ active }) => active)).toHaveLength(1);
    const winner = answers.find(({ active }) => active)?.commandId ?? '';
    expect(await ask(receipt, { commandId: winner, consume: true })).toMatchObject({ active: true });
    expect(await ask(receipt)).toMatchObject({ active: false });
    expect(receipts.facts).toMatchObject([
      { kind: 'receipt.consumed', agent: 'desk', subject: 'alice', verificationId: decided.verificationId },
    ]);
  });

  it('is not consumed by a requester that may not use it', async () => {
    const { play, ask } = await open();
    const { receipt = '' } = await play(PIN);
    expect(await ask(receipt, { tenant: 'umbrella', consume: true })).toMatchObject({ active: false });
    expect(await ask(receipt, { callId: 'call-2', consume: true })).toMatchObject({ active: false });
    expect(await ask(receipt, { consume: true })).toMatchObject({ active: true });
  });
});

describe('the state of a call', () => {
  it('is unverified before a success, in another call, and for another tenant', async () => {
    const { play, state } = await open();
    const unknown = { verified: false, level: 'none' };
    await play(OTHER);
    expect({ ...(await state()) }).toEqual(unknown);
    await play(PIN);
    expect(await state()).toMatchObject({ verified: true });
    expect({ ...(await state('call-2')) }).toEqual(unknown);
    expect({ ...(await state('call-1', 'umbrella')) }).toEqual(unknown);
  });

  it('is verified after a success for the time that the policy sets', async () => {
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

  it('stays after a failure, and changes with a success of another subject', async () => {
    const { play, state } = await open();
    await play(PIN);
    await play(OTHER);
    expect(await state()).toMatchObject({ verified: true, subject: 'alice' });
    await play(PIN, { subjectRef: 'bob' });
    expect(await state()).toMatchObject({ verified: true, subject: 'bob' });
  });
});

describe('erasing a subject', () => {
  it('removes subject, PIN and calls, and leaves the attempt counter', async () => {
    const { play, state, erase } = await open();
    await play(PIN);
    await play(OTHER);
    await play(OTHER);
    expect(await erase('alice')).toMatchObject({ answer: 'updated' });
    expect(await state()).toMatchObject({ verified: false });
    expect((await play(PIN)).decided).toMatchObject({ outcome: 'locked' });
  });

  it('gets the same answer for a repeated command, and not_found for a later one', async () => {
    const { erase } = await open();
    const commandId = randomUUID();
    expect(await erase('alice', commandId)).toMatchObject({ answer: 'updated' });
    expect(await erase('alice', commandId)).toMatchObject({ answer: 'updated' });
    expect(await erase('alice')).toMatchObject({ answer: 'not_found' });
  });

  it('leaves no name in a stored reply', async () => {
    const { play, erase } = await open();
    const commandId = randomUUID();
    expect((await play(PIN, { commandId })).decided).toMatchObject({ displayName: 'ALICE' });
    expect((await play(PIN, { commandId })).decided).toMatchObject({ displayName: 'ALICE' });
    await erase('alice');
    expect((await play(PIN, { commandId })).decided.displayName).toBeUndefined();
  });
});
