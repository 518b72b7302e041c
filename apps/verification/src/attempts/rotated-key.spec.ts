import { randomBytes, randomUUID } from 'node:crypto';
import { type VerificationAdmitted, type VerificationDecided } from '@countersign/contracts';
import { KeyedHash, phoneDigest, Secret } from '@countersign/crypto';
import { OTHER, PHONE, PIN, VerificationTestBed } from '../../test/test-bed.js';

type Said = Partial<VerificationAdmitted>;

/** A guess as an adapter makes it that names with one of the two keys of the bed, or with a key of its own. */
async function openWithKeys() {
  const bed = await VerificationTestBed.open();
  const [old, anew] = bed.hash.singleKeys.map(({ hash }) => hash) as [KeyedHash, KeyedHash];
  const guess = async (under: KeyedHash, pin: string, more: Said = {}): Promise<VerificationDecided> =>
    bed.decide(await bed.command(pin, more, undefined, under));
  await bed.change('alice', { phones: [PHONE] });
  await bed.enrol('alice', PIN);
  return { bed, old, anew, guess };
}

const byPhone = { subjectKind: 'phone', subjectRef: phoneDigest('acme', PHONE) } as const;

describe('while IDENTIFIER_KEY is replaced', () => {
  it.each([
    ['by id', {}],
    ['by telephone number', byPhone],
    ['by the number of nobody', { subjectKind: 'phone', subjectRef: phoneDigest('acme', '+12025550199') } as const],
  ])('a subject named %s has one budget and one lock, whichever key names it', async (_, more) => {
    const { old, anew, guess } = await openWithKeys();
    const outcomes: string[] = [];
    for (const under of [old, anew, old]) outcomes.push((await guess(under, OTHER, more)).outcome);
    expect(outcomes).toEqual(['rejected', 'rejected', 'locked']);
    for (const under of [anew, old]) expect(await guess(under, PIN, more)).toMatchObject({ outcome: 'locked' });
  });

  it('a command that is repeated under the other key gets its stored answer, and counts no attempt', async () => {
    const { bed, old, anew, guess } = await openWithKeys();
    const commandId = randomUUID();
    const first = await guess(old, OTHER, { ...byPhone, commandId });
    const repeated = await guess(anew, OTHER, { ...byPhone, commandId });
    expect({ ...repeated, commandId: '' }).toEqual({ ...first, commandId: '' });
    expect(await guess(anew, PIN, { ...byPhone, commandId })).toMatchObject({ conflict: 'mismatch' });
    expect(bed.attempts.facts).toHaveLength(1);
  });

  it('a recognized caller of the old key has the reserved attempt under the new one, and nobody else has it', async () => {
    const { old, anew, guess } = await openWithKeys();
    expect(await guess(old, PIN, byPhone)).toMatchObject({ outcome: 'verified' });
    const stranger = { callerKey: 'd'.repeat(64) };
    for (const under of [old, anew, old]) await guess(under, OTHER, stranger);
    expect(await guess(anew, PIN, stranger)).toMatchObject({ outcome: 'locked' });
    expect(await guess(anew, PIN)).toMatchObject({ outcome: 'verified' });
  });

  it('events name callers as the adapter did, and references as the limiter does', async () => {
    const { bed, anew, guess } = await openWithKeys();
    await guess(anew, OTHER);
    expect(bed.attempts.facts).toMatchObject([
      { callerKey: anew.hashDigest('c'.repeat(64)), subjectKey: bed.hash.subjectKey('acme', 'id', 'alice') },
    ]);
  });

  it('what is named under no key of this service is refused, and counts no attempt', async () => {
    const { bed, guess } = await openWithKeys();
    const foreign = new KeyedHash(new Secret(randomBytes(32).toString('base64url')));
    expect(await guess(foreign, PIN)).toMatchObject({ outcome: 'unavailable' });
    expect(bed.attempts.facts).toHaveLength(0);
  });
});
