import { randomUUID } from 'node:crypto';
import {
  type FieldsToSeal,
  type PersonalDataVault,
  type SealedFields,
} from '../src/personal-data/personal-data.ports.js';

const at = (seconds: number): string => new Date(Date.UTC(2026, 10, 22, 10, 0, seconds)).toISOString();

/** The suite that every {@link PersonalDataVault} must pass. */
export function personalDataVaultContract(open: () => Promise<PersonalDataVault> | PersonalDataVault): void {
  let vault: PersonalDataVault;
  beforeAll(async () => {
    vault = await open();
  });

  const aSubject = (): { tenant: string; subject: string } => ({ tenant: 'acme', subject: `s-${randomUUID()}` });
  const seal = async (more: Partial<FieldsToSeal> & { subject: string }): Promise<SealedFields | undefined> => {
    const fields = { eventId: randomUUID(), tenant: 'acme', time: at(10), fields: '{"caller_tail":"23"}', ...more };
    const sealed = await vault.seal(fields);
    return sealed === undefined ? undefined : { ...fields, sealed };
  };
  const openOne = async (sealed: SealedFields | undefined): Promise<unknown> =>
    sealed === undefined ? 'not sealed' : (await vault.open([sealed]))[0];

  it('opens the fields of 300 events of 100 subjects, sealed at the same time', async () => {
    const subjects = Array.from({ length: 100 }, aSubject);
    const sealed = await Promise.all(
      Array.from({ length: 300 }, (_, index) =>
        seal({ ...(subjects[index % 100] as { subject: string }), fields: `{"n":${index}}` }),
      ),
    );
    const opened = await vault.open(sealed as SealedFields[]);
    expect(opened).toEqual(sealed.map((_, index) => ({ fields: `{"n":${index}}` })));
  });

  it('does not open fields that were moved to another event, tenant or subject', async () => {
    const sealed = (await seal(aSubject())) as SealedFields;
    const other = (await seal(aSubject())) as SealedFields;
    expect(await openOne({ ...sealed, eventId: randomUUID() })).toBe('unreadable');
    expect(await openOne({ ...sealed, tenant: 'other' })).toBe('erased');
    expect(await openOne({ ...sealed, subject: other.subject })).toBe('erased');
  });

  it('opens nothing of an erased subject, and all of another one', async () => {
    const [erased, kept] = [aSubject(), aSubject()];
    const [sealed, other] = [await seal(erased), await seal(kept)];
    await vault.erase({ ...erased, time: at(20) });
    expect(await openOne(sealed)).toBe('erased');
    expect(await openOne(other)).toEqual({ fields: '{"caller_tail":"23"}' });
  });

  it('seals nothing for an event of an erased subject that arrives after the erasure', async () => {
    const subject = aSubject();
    await seal(subject);
    await vault.erase({ ...subject, time: at(20) });
    expect(await seal({ ...subject, time: at(19) })).toBeUndefined();
    expect(await seal({ ...subject, time: at(20) })).toBeUndefined();
  });

  it('gives a later subject of the same id another key, which a repeated erasure keeps', async () => {
    const subject = aSubject();
    const old = await seal(subject);
    await vault.erase({ ...subject, time: at(20) });
    const later = await seal({ ...subject, time: at(21) });
    await vault.erase({ ...subject, time: at(20) });
    expect(await openOne(old)).toBe('erased');
    expect(await openOne(later)).toEqual({ fields: '{"caller_tail":"23"}' });
    expect(await seal({ ...subject, time: at(19) })).toBeUndefined();
    await vault.erase({ ...subject, time: at(30) });
    expect(await openOne(later)).toBe('erased');
  });

  it('erases a subject without a key, so its late events are not sealed', async () => {
    const subject = aSubject();
    await vault.erase({ ...subject, time: at(20) });
    expect(await seal({ ...subject, time: at(15) })).toBeUndefined();
    expect(await openOne(await seal({ ...subject, time: at(25) }))).toEqual({ fields: '{"caller_tail":"23"}' });
  });
}
