import {
  canRepeatSuccess,
  currentState,
  stateFor,
  type CallPolicy,
  type CallState,
  type VerificationRecord,
} from './call-state.decision.js';

const CREATED_AT = '2026-11-01T08:00:00.000Z';
const at = (minute: number): string => new Date(Date.UTC(2026, 10, 23, 10, minute)).toISOString();
const record = (more: Partial<VerificationRecord> = {}): VerificationRecord => ({
  agent: 'desk',
  agentCreatedAt: CREATED_AT,
  callId: 'call-1',
  method: 'pin',
  level: 'verified',
  subject: 'alice',
  incarnation: '0a2c9c9e-8d0f-4f3e-9d3f-1f4f6f0c7a11',
  credentialVersion: 1,
  verificationId: '01926f6e-0b0a-7c3e-9b52-8e0d3a2f6f10',
  verifiedAt: at(0),
  expiresAt: at(15),
  credentialInForce: true,
  endedByAttempt: false,
  readAt: Date.parse(at(1)),
  ...more,
});
const policy = (more: Partial<CallPolicy> = {}): CallPolicy => ({
  agentCreatedAt: CREATED_AT,
  verifiedSeconds: 900,
  endVerificationOnChange: true,
  trustsCallsOf: [],
  waiver: undefined,
  ...more,
});
const read = (
  it: Partial<VerificationRecord>,
  agent = 'desk',
  reader: Partial<CallPolicy> = {},
  owner: CallPolicy | undefined = policy(),
): CallState | undefined => stateFor({ agent, policy: policy(reader) }, record(it), owner);

describe('a success, for the agent that verified', () => {
  it('gives the subject and the level until the verification ends', () => {
    expect(read({})).toEqual({
      agent: 'desk',
      level: 'verified',
      subject: 'alice',
      verificationId: record().verificationId,
      verifiedAt: at(0),
      expiresAt: at(15),
    });
    expect(read({ readAt: Date.parse(at(15)) - 1 })).toBeDefined();
    expect(read({ readAt: Date.parse(at(15)) })).toBeUndefined();
  });

  it('does not count after a later attempt of the call at another subject', () => {
    expect(read({ endedByAttempt: true })).toBeUndefined();
  });

  it('does not count after a change of the credential, unless the policy lets the verification go on', () => {
    const changed = { credentialInForce: false };
    expect(read(changed)).toBeUndefined();
    expect(read(changed, 'desk', { endVerificationOnChange: false })).toBeUndefined();
    const lenient = policy({ endVerificationOnChange: false });
    expect(read(changed, 'desk', { endVerificationOnChange: false }, lenient)).toBeDefined();
  });
});

describe('a success of an agent that was deleted, and created again under the same id', () => {
  const created = policy({ agentCreatedAt: at(0) });

  it('does not count for the new agent', () => {
    expect(stateFor({ agent: 'desk', policy: created }, record(), created)).toBeUndefined();
    expect(canRepeatSuccess({ agent: 'desk', policy: created }, record())).toBe(false);
  });

  it('does not count for an agent that trusts the new one', () => {
    const reader = { agent: 'bank', policy: policy({ trustsCallsOf: ['desk'] }) };
    expect(stateFor(reader, record(), policy())).toBeDefined();
    expect(stateFor(reader, record(), created)).toBeUndefined();
  });

  it('does not count if it was recorded before successes had the creation of their agent', () => {
    expect(read({ agentCreatedAt: undefined })).toBeUndefined();
  });
});

describe('a success, for another agent', () => {
  const trusting = { trustsCallsOf: ['desk'] };

  it('does not count unless the policy of that agent names the agent that verified', () => {
    expect(read({}, 'bank')).toBeUndefined();
    expect(read({}, 'bank', { trustsCallsOf: ['kiosk'] })).toBeUndefined();
    expect(read({}, 'bank', trusting)).toMatchObject({ subject: 'alice', level: 'verified' });
  });

  it('ends at the earlier of both ends', () => {
    expect(read({}, 'bank', { ...trusting, verifiedSeconds: 300 })).toMatchObject({ expiresAt: at(5) });
    expect(read({}, 'bank', { ...trusting, verifiedSeconds: 3600 })).toMatchObject({ expiresAt: at(15) });
    const late = { readAt: Date.parse(at(5)) };
    expect(read(late, 'bank', { ...trusting, verifiedSeconds: 300 })).toBeUndefined();
  });

  it('reaches the level verified by knowledge only if both agents have a waiver', () => {
    const waiver = { owner: 'Ada', reason: 'a pilot', expires: '2027-01-01' };
    const knowledge = { method: 'knowledge' } as const;
    expect(read({ ...knowledge, level: 'verified' }, 'bank', trusting)).toMatchObject({ level: 'identified' });
    expect(read({ ...knowledge, level: 'verified' }, 'bank', { ...trusting, waiver })).toMatchObject({
      level: 'verified',
    });
    expect(read({ ...knowledge, level: 'identified' }, 'bank', { ...trusting, waiver })).toMatchObject({
      level: 'identified',
    });
    const ended = { ...waiver, expires: '2026-01-01' };
    expect(read({ ...knowledge, level: 'verified' }, 'bank', { ...trusting, waiver: ended })).toMatchObject({
      level: 'identified',
    });
  });

  it('does not count after a change of the credential if the policy of either agent ends it', () => {
    const changed = { credentialInForce: false };
    const lenient = { endVerificationOnChange: false };
    expect(read(changed, 'bank', { ...trusting, ...lenient }, policy())).toBeUndefined();
    expect(read(changed, 'bank', trusting, policy(lenient))).toBeUndefined();
    expect(read(changed, 'bank', { ...trusting, ...lenient }, policy(lenient))).toBeDefined();
  });

  it('ends with a change of the credential if the agent that verified was deleted', () => {
    const reader = { agent: 'bank', policy: policy({ ...trusting, endVerificationOnChange: false }) };
    expect(stateFor(reader, record({ credentialInForce: false }), undefined)).toBeUndefined();
  });
});

describe('a stored success', () => {
  const reader = (more: Partial<CallPolicy> = {}) => ({ agent: 'desk', policy: policy(more) });

  it('is repeated while it holds', () => {
    expect(canRepeatSuccess(reader(), record())).toBe(true);
    expect(canRepeatSuccess(reader(), record({ readAt: Date.parse(at(15)) }))).toBe(false);
    expect(canRepeatSuccess(reader(), record({ endedByAttempt: true }))).toBe(false);
  });

  it('is not repeated after the submitted secret was replaced, also if the policy lets calls go on', () => {
    const lenient = reader({ endVerificationOnChange: false });
    expect(canRepeatSuccess(lenient, record({ credentialInForce: false }))).toBe(false);
  });
});

describe('the state of a call with several successes', () => {
  const state = (more: Partial<CallState>): CallState => ({ ...record(), ...more });
  const bank = { agent: 'bank' };

  it('is unverified without a success', () => {
    expect(currentState([], bank)).toBeUndefined();
  });

  it('is the success of the reader rather than that of a trusted agent', () => {
    const own = state({ agent: 'bank', level: 'identified' });
    expect(currentState([state({ verifiedAt: at(9) }), own], bank)).toBe(own);
  });

  it('is the higher level rather than the later success, and the later success at the same level', () => {
    const [low, high, later] = [
      state({ level: 'identified', verifiedAt: at(9) }),
      state({ verifiedAt: at(3) }),
      state({ verifiedAt: at(5) }),
    ];
    expect(currentState([low, high], bank)).toBe(high);
    expect(currentState([high, later, low], bank)).toBe(later);
  });
});
