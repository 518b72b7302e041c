import { VerificationDecided, type FieldsOf, type AttemptRequest } from '@countersign/contracts';
import { createReceiptKeys, createReplyKey, ReceiptKeys, sealReply, Secret } from '@countersign/crypto';
import { openSuccess } from './open-success.js';

const IAT = 1_795_341_600;
const keys = ReceiptKeys.fromKeySet(new Secret(createReceiptKeys('r1')));
const guess: FieldsOf<AttemptRequest> = {
  ...{ commandId: 'command-1', repeatSeconds: 86_400, tenant: 'acme', agent: 'desk', channel: 'rest' as const },
  ...({ method: 'pin', subjectKind: 'id' } as const),
  ...{ subjectRef: 'alice', keyId: 'k', alsoNamed: [], subjectIsCaller: false, callerTail: '' },
};
const iso = (seconds: number): string => new Date(seconds * 1000).toISOString();

describe('a success whose receipt ends after 300 s', () => {
  const replyKey = createReplyKey();
  const claims = { sub: 'alice', agent: 'desk', level: 'verified', method: 'pin', jti: 'attempt-1' } as const;
  const receipt = keys.sign({ ...claims, iss: 'urn:countersign', aud: 'acme', iat: IAT, exp: IAT + 300 });
  const answered = (more: Partial<VerificationDecided>) =>
    openSuccess(
      guess,
      Object.assign(new VerificationDecided(), {
        ...{ commandId: 'command-1', outcome: 'verified', level: 'verified', verificationId: 'attempt-1' },
        ...{ subjectId: 'alice', verifiedAt: iso(IAT), expiresAt: iso(IAT + 900) },
        ...{ receipt: sealReply(receipt, replyKey), ...more },
      }),
      replyKey,
    );

  it.each<[what: string, repeatedAt: string | undefined, expected: string | undefined]>([
    ['with it the first time', undefined, receipt],
    ['with it when it is repeated before that end', iso(IAT + 299), receipt],
    ['without it when it is repeated at that end', iso(IAT + 300), undefined],
    ['without it when it is repeated later', iso(IAT + 800), undefined],
  ])('is given %s', (_, repeatedAt, expected) => {
    const decided = answered(repeatedAt === undefined ? {} : { repeatedAt });
    expect(decided).toMatchObject({ outcome: 'verified', verificationId: 'attempt-1' });
    expect(decided.receipt).toBe(expected);
  });

  it('is believed with the receipt of this answer only, also when it is repeated after the end of the receipt', () => {
    for (const more of [{}, { repeatedAt: iso(IAT + 800) }]) {
      for (const sealed of [{ receipt: undefined }, { receipt: sealReply(receipt, createReplyKey()) }]) {
        expect(() => answered({ ...more, ...sealed } as Partial<VerificationDecided>)).toThrow('not believed');
      }
      expect(() => answered({ ...more, subjectId: 'bob' })).toThrow('not believed');
    }
  });
});
