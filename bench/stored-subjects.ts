import { hash } from '@node-rs/argon2';
import { openDatabase } from '@countersign/persistence';
import { Keyring, Secret } from '@countersign/crypto';
import { credentialContext, openNamesKey, phoneTag } from '@countersign/stored-secrets';
import { ProfileVault } from '../apps/verification/src/subjects/profiles/profile-vault.store.js';
import { storedPhoneOf } from '../apps/verification/src/integrity/stored-names.js';

const CHUNK = 5_000;
const PIN = '83729164';

/** Some of the stored subjects, with their numbers and PINs. */
export type StoredCallers = readonly { readonly phone: string; readonly pin: string }[];

/**
 * Writes subjects with a PIN directly into the tables, in the form that enrolments write. All have the same hash, because
 * hashing is not measured, and each is encrypted separately.
 * @param first number of the first subject, when earlier calls have stored others
 * @returns callers that are distributed evenly among the rows
 */
export async function storeSubjects(
  databaseUrl: string,
  ring: string,
  rows: number,
  callers: number,
  tenant = 'bench',
  first = 0,
): Promise<StoredCallers> {
  const keyring = new Keyring(new Secret(ring));
  const vault = new ProfileVault(keyring);
  const phc = await hash(PIN, { memoryCost: 19_456, timeCost: 2, parallelism: 1 });
  const database = await openDatabase({
    url: databaseUrl,
    schema: 'verification',
    migrations: 'none',
    as: 'administrator',
    applicationName: 'countersign bench',
  });
  const names = await openNamesKey(database, keyring);
  const calling: { phone: string; pin: string; subject: string }[] = [];
  try {
    for (let from = 0; from < rows; from += CHUNK) {
      const ids = Array.from(
        { length: Math.min(CHUNK, rows - from) },
        (_, n) => `b${String(first + from + n).padStart(7, '0')}`,
      );
      const row = (subject: string): string[] =>
        credentialContext({
          kind: 'pin',
          tenant,
          subject,
          version: 1,
          cap: 50,
          mustChange: false,
          enrolledAt: '0',
        });
      const profiles = ids.map((id) => vault.wrapped(tenant, id, 1, {}));
      await database.query(
        `WITH r AS (
           SELECT *
           FROM unnest($1::text[], $2::bytea[], $3::uuid[], $4::bytea[], $5::bytea[])
             AS r(id, wrapped, incarnation, profile, own_key)
         ), subjects AS (
           INSERT INTO verification.subjects (tenant, subject_id, incarnation, version, profile)
           SELECT $6, id, incarnation, 1, profile FROM r
         ), keys AS (
           INSERT INTO verification.subject_keys (tenant, subject_id, key_id, wrapped)
           SELECT $6, id, $7, own_key FROM r
         ), versions AS (
           INSERT INTO verification.versions (tenant, subject_id, part, version)
           SELECT $6, id, part, 1 FROM r, unnest(ARRAY['profile', 'pin']) AS part
         )
         INSERT INTO verification.credentials (tenant, subject_id, kind, version, key_id, wrapped, cap, enrolled_at)
         SELECT $6, id, 'pin', 1, $7, wrapped, 50, 'epoch' FROM r`,
        [
          ids,
          ids.map((id) => keyring.wrap(JSON.stringify([phc]), row(id)).bytes),
          profiles.map(({ incarnation }) => incarnation),
          profiles.map(({ bytes }) => bytes),
          profiles.map(({ ownKey }) => ownKey?.bytes),
          tenant,
          keyring.first,
        ],
      );
      const step = Math.max(1, Math.floor(rows / callers));
      for (const subject of ids.filter((_, n) => (from + n) % step === 0)) {
        const number = 5_560_000 + first + calling.length;
        calling.push({ phone: `+1202${number}`, pin: PIN, subject });
      }
    }
    await database.query(
      `INSERT INTO verification.subject_phones (tenant, phone_key, subject_id, tag)
       SELECT $1, key, id, tag FROM unnest($2::text[], $3::text[], $4::text[]) AS r(key, id, tag)`,
      [
        tenant,
        calling.map(({ phone }) => storedPhoneOf(names, tenant, phone)),
        calling.map(({ subject }) => subject),
        calling.map(({ phone, subject }) => phoneTag(names, tenant, storedPhoneOf(names, tenant, phone), subject, 1)),
      ],
    );
    await database.query('ANALYZE verification.subjects, verification.credentials');
  } finally {
    await database.close();
  }
  return calling;
}
