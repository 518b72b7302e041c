import { randomBytes, randomUUID } from 'node:crypto';
import { Keyring, Secret } from '@countersign/crypto';
import { openDatabase, type Database } from '@countersign/persistence';
import { keyFault, rewrapColumn } from '@countersign/stored-secrets';
import { createTestDatabase } from '@countersign/testing';
import { AUDIT_MIGRATIONS } from '../../migrations/index.js';
import { personalDataVaultContract } from '../../test/personal-data-vault.contract.js';
import { PostgresPersonalDataVault } from './personal-data-vault.store.js';
import { AUDIT_SUBJECT_KEYS } from './subject-key-column.js';
import { type FieldsToSeal } from './personal-data.ports.js';

const newKeys = (...ids: string[]): string =>
  ids.map((id) => `${id}:${randomBytes(32).toString('base64url')}`).join(',');
const keyringOf = (text: string): Keyring => new Keyring(new Secret(text));
const at = (seconds: number): string => new Date(Date.UTC(2026, 10, 22, 10, 0, seconds)).toISOString();

let administrator: Database;
let service: Database;
let drop: () => Promise<void>;
const KEYS = newKeys('k1');

beforeAll(async () => {
  const test = await createTestDatabase();
  drop = () => test.drop();
  const options = { url: test.url, schema: 'audit', migrations: AUDIT_MIGRATIONS, applicationName: 'test' };
  service = await openDatabase(options);
  administrator = await openDatabase({ ...options, as: 'administrator' });
});

afterAll(async () => {
  await Promise.all([administrator.close(), service.close()]);
  await drop();
});

describe('the vault of personal data in PostgreSQL', () => {
  const copy = (keys = KEYS): PostgresPersonalDataVault => new PostgresPersonalDataVault(service, keyringOf(keys));
  personalDataVaultContract(() => copy());

  const eventOf = (subject: string, seconds = 10): FieldsToSeal => ({
    ...{ eventId: randomUUID(), tenant: 'acme', subject, time: at(seconds), fields: '{"caller_tail":"23"}' },
  });
  const sealWith = async (
    vault: PostgresPersonalDataVault,
    event: FieldsToSeal,
  ): Promise<FieldsToSeal & { sealed: string }> => ({ ...event, sealed: (await vault.seal(event)) ?? 'not sealed' });
  const keyRow = async (subject: string): Promise<Record<string, unknown> | undefined> =>
    (
      await administrator.query<Record<string, unknown>>('SELECT * FROM audit.subject_keys WHERE subject = $1', [
        subject,
      ])
    )[0];

  it('gives a subject one key when four copies seal its first events at the same time', async () => {
    const copies = Array.from({ length: 4 }, () => copy());
    const subjects = Array.from({ length: 20 }, () => `s-${randomUUID()}`);
    const sealed = await Promise.all(
      copies.flatMap((vault) => subjects.map((subject) => sealWith(vault, eventOf(subject)))),
    );
    const keyIds = new Set(sealed.map(({ subject, sealed: text }) => `${subject} ${text.split('.')[0] ?? ''}`));
    expect(keyIds.size).toBe(20);
    expect((await copy().open(sealed)).every((opened) => typeof opened === 'object')).toBe(true);
  });

  it('never uses a key that another copy destroyed, although it has the key in memory', async () => {
    const [one, other] = [copy(), copy()];
    const subject = `s-${randomUUID()}`;
    const before = await sealWith(one, eventOf(subject));
    await other.erase({ tenant: 'acme', subject, time: at(20) });
    expect(await one.seal(eventOf(subject, 15))).toBeUndefined();
    expect(await one.open([before])).toEqual(['erased']);
    const later = await sealWith(one, eventOf(subject, 21));
    expect(later.sealed.split('.')[0]).not.toBe(before.sealed.split('.')[0]);
    expect(await other.open([before, later])).toEqual(['erased', { fields: '{"caller_tail":"23"}' }]);
  });

  it('creates another key when the row of a key in memory is lost, as after a failover', async () => {
    const vault = copy();
    const subject = `s-${randomUUID()}`;
    const before = await sealWith(vault, eventOf(subject));
    await administrator.query('DELETE FROM audit.subject_keys WHERE subject = $1', [subject]);
    const after = await sealWith(vault, eventOf(subject, 11));
    expect(after.sealed.split('.')[0]).not.toBe(before.sealed.split('.')[0]);
    expect(await copy().open([before, after])).toEqual(['erased', { fields: '{"caller_tail":"23"}' }]);
  });

  it('leaves no key of an erased subject in its row', async () => {
    const subject = `s-${randomUUID()}`;
    await copy().seal(eventOf(subject));
    expect(await keyRow(subject)).toMatchObject({ key_id: 'k1', wrapped: expect.any(Buffer) as Buffer });
    await copy().erase({ tenant: 'acme', subject, time: at(20) });
    const none = { own_id: null, key_id: null, wrapped: null, created_at: null };
    expect(await keyRow(subject)).toEqual({ tenant: 'acme', subject, ...none, erased_at: new Date(at(20)) });
  });

  it('uses one statement for 400 events of 200 subjects with keys', async () => {
    const events = Array.from({ length: 400 }, (_, index) => eventOf(`one-statement-${index % 200}`));
    let statements = 0;
    const counting = new Proxy(service, {
      get: (database, name: keyof Database) => {
        if (name !== 'forTenants') return Reflect.get(database, name) as unknown;
        return (tenants: Iterable<string>) => {
          statements++;
          return database.forTenants(tenants);
        };
      },
    });
    const vault = new PostgresPersonalDataVault(counting, keyringOf(KEYS));
    await Promise.all(events.map((event) => vault.seal(event)));
    statements = 0;
    await Promise.all(events.map((event) => vault.seal(event)));
    expect(statements).toBe(1);
  });

  it.each(['wrapped', 'own_id'])(
    'replaces a key with an altered %s, so events of the subject do not stop',
    async (column) => {
      const subject = `s-${randomUUID()}`;
      const before = await sealWith(copy(), eventOf(subject));
      const altered = column === 'wrapped' ? String.raw`'\x00'::bytea || wrapped` : `'altered'`;
      await administrator.query(`UPDATE audit.subject_keys SET ${column} = ${altered} WHERE subject = $1`, [subject]);
      const after = await sealWith(copy(), eventOf(subject, 11));
      expect(await copy().open([after])).toEqual([{ fields: '{"caller_tail":"23"}' }]);
      expect(await copy().open([before])).toEqual(['erased']);
    },
  );

  it('keeps a key that its keyring lacks, and refuses to seal', async () => {
    const subject = `s-${randomUUID()}`;
    await copy().seal(eventOf(subject));
    const before = await keyRow(subject);
    await expect(copy(newKeys('k2')).seal(eventOf(subject))).rejects.toMatchObject({
      code: 'INTERNAL',
      retriable: true,
    });
    expect(await keyRow(subject)).toEqual(before);
  });

  it('opens old events after all keys were encrypted under a new one, which alone is then sufficient', async () => {
    const before = await sealWith(copy(), eventOf(`s-${randomUUID()}`));
    const both = `${newKeys('k2')},${KEYS}`;
    const all = service.forAllTenants();
    await rewrapColumn(AUDIT_SUBJECT_KEYS, { database: all, keyring: keyringOf(both) });
    const newOnly = both.split(',')[0] as string;
    expect(await keyFault(all, keyringOf(newOnly), [AUDIT_SUBJECT_KEYS])).toBeUndefined();
    expect(await copy(newOnly).open([before])).toEqual([{ fields: '{"caller_tail":"23"}' }]);
    expect(await keyFault(all, keyringOf(KEYS), [AUDIT_SUBJECT_KEYS])).toContain('must hold the key k2');
    await rewrapColumn(AUDIT_SUBJECT_KEYS, { database: all, keyring: keyringOf(`${KEYS},${newOnly}`) });
  });
});
