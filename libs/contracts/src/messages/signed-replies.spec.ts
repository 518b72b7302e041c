import { requiresSignature, requestText } from './signed-replies.js';
import { LimitDecided, LimitRequested } from '../verification/limits.js';
import {
  AgentRotateRequested,
  PinChangeRequested,
  SubjectEraseRequested,
  CommandAnswered,
} from '../management/management.js';
import { message, type Message } from './message.js';
import {
  CallStateAnswered,
  CallStateRequested,
  KeyComparisonRequested,
  KeysCompared,
  ReceiptIntrospected,
  ReceiptIntrospectionRequested,
} from '../verification/queries.js';
import {
  OUTCOMES,
  VerificationAdmitted,
  VerificationDecided,
  VerificationRequested,
} from '../verification/verification.js';

const commandId = 'command-1';
const REQUEST = message(VerificationRequested, {
  ...{ commandId, tenant: 'acme', agent: 'desk', channel: 'swaig', method: 'pin', repeatSeconds: 60 },
  ...{ subjectKind: 'id', subjectRef: 'alice', subjectIsCaller: false, callerKey: 'c'.repeat(64), callerTail: '23' },
  ...{ sealed: 'e30.', keyId: 'k', alsoNamed: [] },
} as const);

describe('a reply to an attempt', () => {
  it.each(OUTCOMES)('with the outcome %s needs a signature unless the limiter may send it', (outcome) => {
    const plain = message(VerificationDecided, { commandId, outcome, level: 'none' });
    expect(requiresSignature(REQUEST, plain)).toBe(outcome !== 'rate_limited' && outcome !== 'unavailable');
  });

  it.each([
    { level: 'verified' },
    { subjectId: 'alice' },
    { verificationId: 'v-1' },
    { receipt: 'e30.' },
    { pinChanged: true },
    { conflict: 'mismatch' },
    { unknownSubject: true },
    { violations: [{ field: 'newPin', rule: 'must differ' }] },
  ] as Partial<VerificationDecided>[])('needs a signature with %j, for every outcome', (more) => {
    for (const outcome of ['rate_limited', 'unavailable'] as const) {
      const answer = message(VerificationDecided, { commandId, outcome, level: 'none', ...more });
      expect(requiresSignature(REQUEST, answer)).toBe(true);
    }
  });

  it('needs no signature with the fields of the limiter', () => {
    const limitedBy = { dimension: 'caller', retryAfterMs: 900 } as const;
    const refused = { commandId, outcome: 'rate_limited', level: 'none', retryAfterSeconds: 1, limitedBy, quotas: [] };
    expect(requiresSignature(REQUEST, message(VerificationDecided, refused as never))).toBe(false);
  });
});

describe('a reply to a request without a submitted secret', () => {
  const request = message(LimitRequested, {
    ...{ commandId, tenant: 'acme', agent: 'desk', channel: 'swaig', action: 'function' },
  } as const);

  it.each(['admitted', 'rate_limited', 'unavailable'] as const)(
    'needs no signature when the limiter replies %s',
    (outcome) => {
      expect(requiresSignature(request, message(LimitDecided, { commandId, outcome }))).toBe(false);
    },
  );

  it('needs a signature when it is of another type', () => {
    const other = message(VerificationDecided, { commandId, outcome: 'verified', level: 'verified' });
    expect(requiresSignature(request, other)).toBe(true);
    expect(requiresSignature(REQUEST, message(LimitDecided, { commandId, outcome: 'admitted' }))).toBe(true);
  });
});

const origin = { commandId, actor: { kind: 'administrator', sourceAddress: '192.0.2.7' } } as const;
const REPLIES: [Message, Message][] = [
  [
    message(CallStateRequested, { tenant: 'acme', agent: 'desk', callId: 'call-1' }),
    message(CallStateAnswered, { verified: false, level: 'none' }),
  ],
  [
    message(ReceiptIntrospectionRequested, { commandId, tenant: 'acme', agent: 'desk', consume: true, sealed: 'e30.' }),
    message(ReceiptIntrospected, { commandId, active: false }),
  ],
  [
    message(PinChangeRequested, { ...origin, tenant: 'acme', subject: 'alice', sealed: 'e30.' }),
    message(CommandAnswered, { commandId, answer: 'unavailable' }),
  ],
  [
    message(SubjectEraseRequested, { ...origin, tenant: 'acme', subject: 'alice' }),
    message(CommandAnswered, { commandId, answer: 'updated' }),
  ],
];

it.each(REPLIES)('every reply to %p needs a signature', (request, reply) => {
  expect(requiresSignature(request, reply)).toBe(true);
});

it('a reply of the directory needs no signature', () => {
  const rotate = message(AgentRotateRequested, {
    ...{ ...origin, tenant: 'acme', agent: 'desk', graceSeconds: 0 },
    ...{ passwordHash: 'a'.repeat(64), apiKeyHash: 'b'.repeat(64) },
  });
  expect(requiresSignature(rotate, message(CommandAnswered, { commandId, answer: 'updated' }))).toBe(false);
});

it('a reply about keys needs a signature unless it reports wrong public keys of signatures', () => {
  const request = message(KeyComparisonRequested, { commandId, service: 'rest-adapter', settings: [] });
  const answer = (mismatches: string[]): Message => message(KeysCompared, { commandId, mismatches });
  expect([[], ['IDENTIFIER_KEY']].map((one) => requiresSignature(request, answer(one)))).toEqual([true, true]);
  expect(requiresSignature(request, answer(['RECEIPT_PUBLIC_KEYS']))).toBe(false);
});

describe('the text of a request', () => {
  it('does not change when the limiter forwards the request', () => {
    const admitted = message(VerificationAdmitted, { ...REQUEST, quotas: [] });
    expect(requestText(admitted)).toBe(requestText(REQUEST));
  });

  it('changes with a field, with the sealed payload and with the type', () => {
    const [introspection] = REPLIES[1] as [Message, Message];
    const others: Message[] = [
      message(VerificationRequested, { ...REQUEST, agent: 'help' }),
      message(VerificationRequested, { ...REQUEST, sealed: 'e31.' }),
      introspection,
    ];
    expect(new Set([REQUEST, ...others].map(requestText)).size).toBe(4);
  });
});
