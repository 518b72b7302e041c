import fc from 'fast-check';
import { changeProfile, type Profile, type ProfileChange } from './profile.decision.js';

const ADA: Profile = { phones: ['+12025550123'], displayName: 'Ada', locale: 'en-US' };

describe('a changed profile', () => {
  it.each<[string, ProfileChange, Profile, string[]]>([
    ['keeps what is not sent', { phones: ['+12025550124'] }, { ...ADA, phones: ['+12025550124'] }, ['phones']],
    ['keeps everything when nothing is sent', {}, ADA, []],
    ['keeps a field that is sent as undefined', { displayName: undefined, locale: undefined }, ADA, []],
    ['loses a field that is null', { displayName: null }, { phones: ADA.phones, locale: 'en-US' }, ['displayName']],
    ['loses all numbers with an empty list', { phones: [] }, { displayName: 'Ada', locale: 'en-US' }, ['phones']],
    [
      'names no field that is set to what it was',
      { displayName: 'Ada', locale: 'fr-FR' },
      { ...ADA, locale: 'fr-FR' },
      ['locale'],
    ],
  ])('%s', (_rule, change, profile, changed) => {
    expect(changeProfile(ADA, change)).toEqual({ profile, changed });
  });

  it('does not differ by the order of its numbers', () => {
    const before = { phones: ['+12025550123', '+12025550124'] };
    expect(changeProfile(before, { phones: ['+12025550124', '+12025550123'] }).changed).toEqual([]);
    expect(changeProfile(before, { phones: ['+12025550124'] }).changed).toEqual(['phones']);
  });

  it('of a new subject names what it has, and null clears nothing', () => {
    expect(changeProfile({}, { phones: [], displayName: 'Ada', locale: null })).toEqual({
      profile: { displayName: 'Ada' },
      changed: ['displayName'],
    });
  });

  const text = fc.constantFrom('a', 'b', 'c');
  const profiles = fc.record({ phones: fc.uniqueArray(text), displayName: text, locale: text }, { requiredKeys: [] });
  const changes = fc.record(
    { phones: fc.uniqueArray(text), displayName: fc.option(text), locale: fc.option(text) },
    { requiredKeys: [] },
  );

  it('names exactly the fields that differ, and the same change again changes nothing', () => {
    fc.assert(
      fc.property(profiles, changes, (start, change) => {
        const before = changeProfile({}, start).profile;
        const { profile, changed } = changeProfile(before, change);
        for (const field of ['displayName', 'locale'] as const) {
          expect(changed.includes(field)).toBe(profile[field] !== before[field]);
          if (change[field] === undefined) expect(profile[field]).toBe(before[field]);
        }
        expect(changed.includes('phones')).toBe(
          JSON.stringify([...(profile.phones ?? [])].sort()) !== JSON.stringify([...(before.phones ?? [])].sort()),
        );
        expect(changeProfile(profile, change)).toEqual({ profile, changed: [] });
      }),
    );
  });
});
