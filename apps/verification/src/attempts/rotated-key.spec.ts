import { randomBytes, randomUUID } from 'node:crypto';
import { type VerificationAdmitted, type VerificationDecided } from '@countersign/contracts';
import { KeyedHash, phoneDigest, Secret } from '@countersign/crypto';
import { OTHER, PHONE, PIN, VerificationTestBed } from '../../test/test-bed.js';

type Fields = Partial<VerificationAdmitted>;

/** Attempts of adapters that name with the old or the new key of the bed, or with another one. */
async function openWithKeys() {
  const bed = await VerificationTestBed.open();
  const [oldKey, newKey] = bed.hash.singleKeys.map(({ hash }) => hash) as [KeyedHash, KeyedHash];
  const guess = async (under: KeyedHash, pin: string, more: Fields = {}): Promise<VerificationDecided> =>
    bed.decide(await bed.command(pin, more, undefined, under));
  await bed.change('alice', { phones: [PHONE] });
  await bed.enrol('alice', PIN);
  return { bed, oldKey, newKey, guess };
}

const byPhone = { subjectKind: 'phone', subjectRef: phoneDigest('acme', PHONE) } as const;

describe('while IDENTIFIER_KEY is replaced', () => {
  it.each([
    ['by id', {}],
    ['by telephone number', byPhone],
    [
      'by an unknown telephone number',
      { subjectKind: 'phone', subjectRef: phoneDigest('acme', '+12025550199') } as const,
    ],
  ])('a subject named %s has one attempt window and one lock under both keys', async (_, more) => {
    const { oldKey, newKey, guess } = await openWithKeys();
    const outcomes: string[] = [];
    for (const under of [oldKey, newKey, oldKey]) outcomes.push((await guess(under, OTHER, more)).outcome);
    expect(outcomes).toEqual(['rejected', 'rejected', 'locked']);
    for (const under of [newKey, oldKey]) expect(await guess(under, PIN, more)).toMatchObject({ outcome: 'locked' });
  });

  it('a command that is repeated under the other key gets its stored reply, and counts no attempt', async () => {
    const { bed, oldKey, newKey, guess } = await openWithKeys();
    const commandId = randomUUID();
    const first = await guess(oldKey, OTHER, { ...byPhone, commandId });
    const repeated = await guess(newKey, OTHER, { ...byPhone, commandId });
    expect({ ...repeated, commandId: '' }).toEqual({ ...first, commandId: '' });
    expect(await guess(newKey, PIN, { ...byPhone, commandId })).toMatchObject({ conflict: 'mismatch' });
    expect(bed.attempts.facts).toHaveLength(1);
  });

  it('a caller who was recognized under the old key has the reserved attempt under the new one, and no other caller has it', async () => {
    const { oldKey, newKey, guess } = await openWithKeys();
    expect(await guess(oldKey, PIN, byPhone)).toMatchObject({ outcome: 'verified' });
    const unrecognized = { callerKey: 'd'.repeat(64) };
    for (const under of [oldKey, newKey, oldKey]) await guess(under, OTHER, unrecognized);
    expect(await guess(newKey, PIN, unrecognized)).toMatchObject({ outcome: 'locked' });
    expect(await guess(newKey, PIN)).toMatchObject({ outcome: 'verified' });
  });

  it('events name callers as the adapter did, and references as the limiter does', async () => {
    const { bed, newKey, guess } = await openWithKeys();
    await guess(newKey, OTHER);
    expect(bed.attempts.facts).toMatchObject([
      { callerKey: newKey.hashDigest('c'.repeat(64)), subjectKey: bed.hash.subjectKey('acme', 'id', 'alice') },
    ]);
  });

  it('a command that is named under a key that this service does not have is refused, and counts no attempt', async () => {
    const { bed, guess } = await openWithKeys();
    const foreign = new KeyedHash(new Secret(randomBytes(32).toString('base64url')));
    expect(await guess(foreign, PIN)).toMatchObject({ outcome: 'unavailable' });
    expect(bed.attempts.facts).toHaveLength(0);
  });
});
