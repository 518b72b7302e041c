import { randomBytes, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { factRecorded, type FactRecorded } from '@countersign/contracts';
import { Keyring, Secret } from '@countersign/crypto';
import { openDatabase, type Database } from '@countersign/persistence';
import { createTestDatabase } from '@countersign/testing';
import {
  createSignerKey,
  formatLogProof,
  inclusionProof,
  leafHash,
  parseSignerKey,
  signCheckpoint,
  TiledTree,
  TileReader,
  verifyLogProof,
  type HashTileCoordinates,
} from '@countersign/transparency-log';
import { AUDIT_MIGRATIONS } from '../../migrations/index.js';
import { toOcsf } from '../trail/ocsf-event.decision.js';
import { OpenPersonalData } from './open-personal-data.use-case.js';
import { PostgresPersonalDataVault } from './personal-data-vault.store.js';
import { SealPersonalData } from './seal-personal-data.use-case.js';

const SUBJECTS = 10_000;
const ERASED = 1_000;
const PAGE = 1_000;

/** The tree of the log, with its tiles in memory. */
class Tree extends TileReader {
  readonly tree = TiledTree.empty();
  readonly #tiles = new Map<string, Buffer>();

  constructor(entries: readonly Buffer[]) {
    super();
    for (const { level, index, data } of this.tree.append(entries.map(leafHash)))
      this.#tiles.set(`${level}/${index}`, data);
  }

  override readTile({ level, index, width }: HashTileCoordinates): Promise<Buffer> {
    return Promise.resolve((this.#tiles.get(`${level}/${index}`) as Buffer).subarray(0, width * 32));
  }
}

interface EntryRow {
  readonly event_id: string;
  readonly tenant: string;
  readonly subject: string;
  readonly value: Buffer;
}

describe('the erasure of 1,000 of 10,000 subjects', () => {
  const signer = parseSignerKey(createSignerKey('countersign.example/audit'));
  const subjectOf = (index: number): string => `customer-${index}`;
  /** 64 digits and letters that chance cannot produce, and a reason of 12 digits. */
  const canaries = Array.from({ length: SUBJECTS }, () => ({
    callerKey: randomBytes(32).toString('hex'),
    reason: `ticket ${String(randomBytes(6).readUIntBE(0, 6)).padStart(15, '7')}`,
  }));
  let database: Database;
  let administrator: Database;
  let drop: () => Promise<void>;
  let vault: PostgresPersonalDataVault;
  let size = 0;

  beforeAll(async () => {
    const test = await createTestDatabase();
    drop = () => test.drop();
    const options = { url: test.url, schema: 'audit', migrations: AUDIT_MIGRATIONS, applicationName: 'test' };
    database = await openDatabase(options);
    administrator = await openDatabase({ ...options, as: 'administrator', statementTimeoutMs: 60_000 });
    vault = new PostgresPersonalDataVault(
      database,
      new Keyring(new Secret(`k1:${randomBytes(32).toString('base64url')}`)),
    );
  });
  afterAll(async () => {
    await Promise.all([database.close(), administrator.close()]);
    await drop();
  });

  /** Stores the events as entries of the log. */
  const append = async (facts: readonly FactRecorded[]): Promise<void> => {
    const seal = new SealPersonalData(vault);
    const values = await Promise.all(facts.map((fact) => seal.valueOf(fact, toOcsf(fact))));
    await administrator.query(
      `INSERT INTO audit.entries (idx, event_id, kind, tenant, subject, time, value, partition_key, recorded_at)
       SELECT $1 + position - 1, event_id, kind, 'acme', subject, now(), value, 'acme:', now()
       FROM unnest($2::uuid[], $3::text[], $4::text[], $5::bytea[]) WITH ORDINALITY AS e (event_id, kind, subject, value, position)`,
      [
        ...[size, facts.map(({ factId }) => factId), facts.map(({ kind }) => kind)],
        ...[facts.map(({ subject }) => subject), values],
      ],
    );
    size += facts.length;
  };

  const entries = (): Promise<EntryRow[]> =>
    administrator.query<EntryRow>('SELECT event_id, tenant, subject, value FROM audit.entries ORDER BY idx');

  const fileOf = async (table: string): Promise<Buffer> => {
    await administrator.query('CHECKPOINT');
    const [row] = await administrator.query<{ folder: string; path: string }>(
      `SELECT current_setting('data_directory') AS folder, pg_relation_filepath($1::regclass) AS path`,
      [table],
    );
    return readFile(join(row?.folder ?? '', row?.path ?? ''));
  };

  it('leaves the root and every receipt valid, and no personal value that can be recovered', async () => {
    await append(
      canaries.map(({ callerKey, reason }, index) =>
        factRecorded(index % 2 ? 'credential.unlocked' : 'attempt.decided', new Date('2026-11-22T10:00:00.000Z'), {
          ...{ factId: randomUUID(), tenant: 'acme', subject: subjectOf(index), outcome: 'verified', callId: 'call-1' },
          ...{ callerKey, callerTail: '47', detail: { credential: 'pin', reason } },
        }),
      ),
    );
    const before = await entries();
    const tree = new Tree(before.map(({ value }) => value));
    const checkpoint = signCheckpoint({ size, root: tree.tree.root() }, signer);
    const receipts = await Promise.all(
      Array.from({ length: 100 }, async (_, n) => {
        const index = n * (SUBJECTS / 100);
        return formatLogProof({ index, hashes: await inclusionProof(index, SUBJECTS, tree), checkpoint });
      }),
    );
    const keys = await administrator.query<{ subject: string; wrapped: Buffer }>(
      'SELECT subject, wrapped FROM audit.subject_keys',
    );
    expect(keys).toHaveLength(SUBJECTS);

    const isErased = (index: number): boolean => index % (SUBJECTS / ERASED) === 0;
    const erased = canaries.flatMap((_, index) => (isErased(index) ? [subjectOf(index)] : []));
    expect(erased).toHaveLength(ERASED);
    await append(
      erased.map((subject) =>
        factRecorded('subject.erased', new Date('2026-11-23T10:00:00.000Z'), { tenant: 'acme', subject }),
      ),
    );
    await administrator.query('VACUUM FULL audit.subject_keys');

    const after = await entries();
    expect(after).toHaveLength(SUBJECTS + ERASED);
    expect(new Tree(after.slice(0, SUBJECTS).map(({ value }) => value)).tree.root()).toEqual(tree.tree.root());
    receipts.forEach((receipt, n) => {
      const index = n * (SUBJECTS / 100);
      expect(verifyLogProof(receipt, after[index]!.value, signer.verifier).index).toBe(index);
    });

    const reader = new OpenPersonalData(vault);
    let opened = 0;
    for (let from = 0; from < SUBJECTS; from += PAGE) {
      const page = after.slice(from, from + PAGE);
      const read = await reader.open(page.map(({ event_id: eventId, ...row }) => ({ eventId, ...row })));
      read.forEach((result, at) => {
        const { callerKey, reason } = canaries[from + at]!;
        if (isErased(from + at)) expect(result).toEqual({ erased: true });
        else {
          expect(result.personal).toEqual({ caller_key: callerKey, caller_tail: '47', detail: { reason } });
          opened++;
        }
      });
    }
    expect(opened).toBe(SUBJECTS - ERASED);

    // In no table in clear; the ids of the events show that the search finds what is there.
    const texts = [
      ...after.map(({ value }) => value.toString()),
      ...(await administrator.query<{ row: string }>('SELECT k::text AS row FROM audit.subject_keys k')).map(
        ({ row }) => row,
      ),
    ].join('\n');
    const found = new Set(texts.match(/[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{64}|ticket \d{15}/g));
    expect(before.filter(({ event_id: id }) => found.has(id))).toHaveLength(SUBJECTS);
    expect(canaries.filter(({ callerKey, reason }) => found.has(callerKey) || found.has(reason))).toEqual([]);

    // The keys of the erased subjects are not in the file either; those of the others are.
    const nonceOf = (bytes: Buffer): string => bytes.toString('latin1', 0, 12);
    const subjectOfNonce = new Map(keys.map(({ subject, wrapped }) => [nonceOf(wrapped), subject]));
    const file = await fileOf('audit.subject_keys');
    const inFile = new Set<string>();
    for (let at = 0; at < file.length; at++) {
      const subject = subjectOfNonce.get(nonceOf(file.subarray(at, at + 12)));
      if (subject !== undefined) inFile.add(subject);
    }
    expect(erased.filter((subject) => inFile.has(subject))).toEqual([]);
    expect(inFile.size).toBe(SUBJECTS - ERASED);
  }, 120_000);
});
