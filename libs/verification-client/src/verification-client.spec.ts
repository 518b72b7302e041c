import { beforeEach, describe, expect, it } from '@jest/globals';
import { AgentPublished, message, VerificationDecided, type VerificationRequested } from '@countersign/contracts';
import { createSealingKeys, digestOf, KeyedHash, PayloadSealer, Secret } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { eventually, ManualClock } from '@countersign/testing';
import { type ReceivedAttempt } from './attempt.js';
import { AdapterRefusalCache } from './refusal-cache.js';
import { VerificationClient, type AttemptDecision } from './verification-client.js';

const { publicKeys } = await createSealingKeys('k1');
const sealer = await PayloadSealer.fromKeySet(publicKeys);
const hash = new KeyedHash(new Secret(Buffer.alloc(32, 7).toString('base64url')));
/** The client only compares policies by identity. */
const agent = { tenant: 'acme', agent: 'desk', policy: {} } as AgentPublished;
const attempt: ReceivedAttempt = {
  ...{ command: { prefix: 'rest', digest: digestOf('test', 'key-1') }, repeatSeconds: 60, channel: 'rest' },
  ...{ subject: { kind: 'id', id: 'c-1' }, caller: undefined, subjectIsCaller: false, callerTail: '' },
  secret: { method: 'pin', pin: '4217' },
};

describe('VerificationClient.decide', () => {
  let requests: VerificationRequested[];
  /** Ends the wait of every request. */
  let answer: (fault?: Error) => void;
  let client: VerificationClient;
  beforeEach(() => {
    requests = [];
    const answered = new Promise<void>((resolve, reject) => {
      answer = (fault) => (fault ? reject(fault) : resolve());
    });
    const clock = new ManualClock();
    client = new VerificationClient(
      async (request) => {
        requests.push(request);
        await answered;
        return message(VerificationDecided, { commandId: request.commandId, outcome: 'rejected', level: 'none' });
      },
      () => Promise.reject(new Error('only attempts are expected')),
      new AdapterRefusalCache(
        hash,
        clock,
        () => Promise.resolve(),
        () => undefined,
      ),
      sealer,
      hash,
      clock,
    );
  });

  const decide = (
    change: Partial<ReceivedAttempt> = {},
    ifInFlight: 'join' | 'refuse' = 'join',
  ): Promise<AttemptDecision> => client.decide(agent, { ...attempt, ...change }, ifInFlight);

  it('gives a joining repetition the decision of the attempt in flight, and requests it once', async () => {
    const decisions = [decide(), decide()];
    await eventually('the attempt is requested', () => requests.length === 1);
    answer();
    const [first, second] = await Promise.all(decisions);
    expect(second).toBe(first);
    expect(first).toMatchObject({ outcome: 'rejected' });
    await decide();
    expect(requests).toHaveLength(2);
    expect(requests[1]?.commandId).toBe(requests[0]?.commandId);
  });

  it('refuses a repetition of an attempt in flight as a conflict, if the adapter demands that', async () => {
    const first = decide({}, 'refuse');
    expect(await decide({}, 'refuse')).toMatchObject({ outcome: 'unavailable', conflict: 'in_flight' });
    answer();
    expect(await first).toMatchObject({ outcome: 'rejected' });
    expect(requests).toHaveLength(1);
  });

  it.each<[string, Partial<ReceivedAttempt>]>([
    ['another PIN', { secret: { method: 'pin', pin: '4218' } }],
    ['another new PIN', { secret: { method: 'pin', pin: '4217', newPin: '9021' } }],
    ['answers', { secret: { method: 'knowledge', answers: { zip_code: '4217' } } }],
    ['another subject', { subject: { kind: 'id', id: 'c-2' } }],
    ['a subject of another kind', { subject: { kind: 'phone', digest: 'c-1' } }],
    ['another call', { callId: 'call-2' }],
    ['another caller', { caller: digestOf('test', 'caller') }],
  ])('never joins an attempt with the same command id but %s', async (_what, change) => {
    const first = decide();
    for (const ifInFlight of ['join', 'refuse'] as const) {
      expect(await decide(change, ifInFlight)).toMatchObject({ outcome: 'unavailable', conflict: 'mismatch' });
    }
    answer();
    await first;
    expect(requests).toHaveLength(1);
  });

  it.each([{ tenant: 'umbrella' }, { agent: 'help' }])(
    'never joins an attempt with the same command id but %j',
    async (other) => {
      const first = decide();
      const decided = client.decide(Object.assign(new AgentPublished(), agent, other), attempt, 'join');
      expect(await decided).toMatchObject({ outcome: 'unavailable', conflict: 'mismatch' });
      answer();
      await first;
      expect(requests).toHaveLength(1);
    },
  );

  it('joins the same answers in another order', async () => {
    const answers = (given: Record<string, string>): Partial<ReceivedAttempt> => ({
      secret: { method: 'knowledge', answers: given },
    });
    const decisions = [decide(answers({ a: '1', b: '2' })), decide(answers({ b: '2', a: '1' }))];
    answer();
    const [first, second] = await Promise.all(decisions);
    expect(second).toBe(first);
  });

  it('requests every attempt that cannot be repeated', async () => {
    const command = { prefix: 'rest', digest: undefined };
    const decisions = [decide({ command }), decide({ command })];
    answer();
    await Promise.all(decisions);
    expect(new Set(requests.map(({ commandId }) => commandId)).size).toBe(2);
  });

  it.each(['REQUEST_TIMED_OUT', 'BROKER_UNAVAILABLE'] as const)(
    'decides unavailable with the code of the fault after %s',
    async (code) => {
      answer(new ServiceError(code, 'in a test', true));
      expect(await decide()).toMatchObject({ outcome: 'unavailable', level: 'none', fault: code });
    },
  );

  it('throws a fault of the adapter itself', async () => {
    const fault = new ServiceError('SETTINGS_INVALID', 'in a test', false);
    answer(fault);
    await expect(decide()).rejects.toBe(fault);
  });
});
