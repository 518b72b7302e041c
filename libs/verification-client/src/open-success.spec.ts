import { VerificationDecided, type FieldsOf, type AttemptRequest } from '@countersign/contracts';
import { createReceiptKeys, createReplyKey, ReceiptKeys, sealReply, Secret } from '@countersign/crypto';
import { openSuccess } from './open-success.js';

const IAT = 1_795_341_600;
const keys = ReceiptKeys.fromKeySet(new Secret(createReceiptKeys('r1')));
const attempt: FieldsOf<AttemptRequest> = {
  ...{ commandId: 'command-1', repeatSeconds: 86_400, tenant: 'acme', agent: 'desk', channel: 'rest' as const },
  ...({ method: 'pin', subjectKind: 'id' } as const),
  ...{ subjectRef: 'alice', keyId: 'k', alsoNamed: [], subjectIsCaller: false, callerTail: '' },
};
const iso = (seconds: number): string => new Date(seconds * 1000).toISOString();

describe('openSuccess', () => {
  const replyKey = createReplyKey();
  const claims = { sub: 'alice', agent: 'desk', level: 'verified', method: 'pin', jti: 'attempt-1' } as const;
  const receipt = keys.sign({ ...claims, iss: 'urn:countersign', aud: 'acme', iat: IAT, exp: IAT + 300 });
  const open = (more: Partial<VerificationDecided>) =>
    openSuccess(
      attempt,
      Object.assign(new VerificationDecided(), {
        ...{ commandId: 'command-1', outcome: 'verified', level: 'verified', verificationId: 'attempt-1' },
        ...{ subjectId: 'alice', verifiedAt: iso(IAT), expiresAt: iso(IAT + 900) },
        ...{ receipt: sealReply(receipt, replyKey), ...more },
      }),
      replyKey,
    );

  it.each<[what: string, repeatedAt: string | undefined, expected: string | undefined]>([
    ['with its receipt the first time', undefined, receipt],
    ['with its receipt when it is repeated before the receipt expires', iso(IAT + 299), receipt],
    ['without its receipt when it is repeated at the moment the receipt expires', iso(IAT + 300), undefined],
    ['without its receipt when it is repeated later', iso(IAT + 800), undefined],
  ])('returns a success %s', (_, repeatedAt, expected) => {
    const decided = open(repeatedAt === undefined ? {} : { repeatedAt });
    expect(decided).toMatchObject({ outcome: 'verified', verificationId: 'attempt-1' });
    expect(decided.receipt).toBe(expected);
  });

  it('refuses a success without the receipt of its own request, also when it is repeated after the receipt expired', () => {
    for (const more of [{}, { repeatedAt: iso(IAT + 800) }]) {
      for (const sealed of [{ receipt: undefined }, { receipt: sealReply(receipt, createReplyKey()) }]) {
        expect(() => open({ ...more, ...sealed } as Partial<VerificationDecided>)).toThrow(
          'without the receipt of its request',
        );
      }
      expect(() => open({ ...more, subjectId: 'bob' })).toThrow('without the receipt of its request');
    }
  });
});
