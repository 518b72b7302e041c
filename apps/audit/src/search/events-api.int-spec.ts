import { randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ApiKeyPublished,
  ApiKeyRemoved,
  ApiKeyUseReported,
  factRecorded,
  message,
  TOPICS,
  type FactKind,
} from '@countersign/contracts';
import { createApiKey, sha256 } from '@countersign/crypto';
import { type HostedService } from '@countersign/hosting';
import { decode, MemoryBroker, toRecord, type ConsumedRecord } from '@countersign/messaging';
import { openDatabase, type Database } from '@countersign/persistence';
import { createTestDatabase, eventually } from '@countersign/testing';
import {
  createSignerKey,
  formatVerifierKey,
  leafHash,
  openCheckpoint,
  parseSignerKey,
  signCheckpoint,
  verifyInclusion,
} from '@countersign/transparency-log';
import { parse } from 'csv-parse/sync';
import { AUDIT_MIGRATIONS } from '../../migrations/index.js';
import { start } from '../start.js';

const ADMIN_KEY = 'admin-key-of-more-than-24-characters';
const KEYS = { acme: createApiKey(), umbrella: createApiKey(), manage: createApiKey(), revoked: createApiKey() };
const signer = parseSignerKey(createSignerKey('log.example/audit'));
const fatal = (error: Error): never => {
  throw error;
};

describe('the API of the audit log', () => {
  const broker = new MemoryBroker();
  let service: HostedService;
  let administrator: Database;
  let drop: () => Promise<void>;
  beforeAll(async () => {
    const database = await createTestDatabase();
    drop = () => database.drop();
    const AUDIT_KEYS = `k1:${randomBytes(32).toString('base64url')}`;
    const env = { DATABASE_URL: database.url, AUDIT_PORT: '0', ADMIN_API_KEY: ADMIN_KEY, LOG_LEVEL: 'silent' };
    const log = { LOG_ORIGIN: signer.verifier.name, LOG_PUBLIC_KEYS: formatVerifierKey(signer.verifier) };
    service = await start({ ...env, ...log, AUDIT_KEYS }, fatal, { broker, ops: false });
    const options = { url: database.url, schema: 'audit', migrations: AUDIT_MIGRATIONS, applicationName: 'test' };
    administrator = await openDatabase({ ...options, as: 'administrator' });
    for (const [name, key] of Object.entries(KEYS)) {
      const tenant = name === 'umbrella' ? 'umbrella' : 'acme';
      const scopes = [name === 'manage' ? ('manage' as const) : ('audit' as const)];
      const published = message(ApiKeyPublished, {
        ...{ tenant, keyId: `key-${name}`, scopes, hashes: [{ hash: sha256(key) }] },
      });
      await broker.send([toRecord({ message: published })]);
    }
    await eventually('the keys are known', async () => (await get('/v1/events', KEYS.revoked)).status === 200);
    await add('acme', 30, 'alice');
    await add('umbrella', 5, '=cmd()');
  });
  afterAll(async () => {
    await service.close();
    await broker.close();
    await administrator.close();
    await drop();
  });

  let lastNumber = 0;
  /** Puts events in the inbox, and returns when the sequencer has taken them. @returns their bytes */
  const add = async (tenant: string, count: number, subject: string): Promise<string[]> => {
    const values = Array.from({ length: count }, () => `{"n":${++lastNumber},  "of":"${tenant}"}`);
    const stored = await administrator.query<{ event_id: string }>(
      `INSERT INTO audit.inbox (event_id, kind, tenant, subject, time, value, partition_key)
       SELECT gen_random_uuid(), 'attempt.decided', $1, $2, now(), convert_to(value, 'UTF8'), 'k'
       FROM unnest($3::text[]) AS t(value) RETURNING event_id`,
      [tenant, subject, values],
    );
    const ids = stored.map((row) => row.event_id);
    const isLogged = async (): Promise<boolean> =>
      (await administrator.query('SELECT FROM audit.entries WHERE event_id = ANY ($1)', [ids])).length === count;
    await eventually('the log has the events', isLogged, 60_000);
    return values;
  };
  const get = (path: string, key: string, headers: Record<string, string> = {}, signal?: AbortSignal) =>
    fetch(`${service.urls['audit']}${path}`, {
      ...{ headers: { ...headers, authorization: `Bearer ${key}` }, ...(signal && { signal }) },
    });
  interface Page {
    items: { id: string; index: number; type: string; tenant: string; event: { n: number } }[];
    nextCursor: string | null;
  }
  const page = async (query: string, key = KEYS.acme): Promise<Page> =>
    (await (await get(`/v1/events?${query}`, key)).json()) as Page;

  it('pages through the events of the tenant of the key alone, each exactly once', async () => {
    const seen: number[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const found: Page = await page(`limit=7&type=attempt.decided${cursor && `&cursor=${cursor}`}`);
      expect(found.items.every(({ tenant }) => tenant === 'acme')).toBe(true);
      seen.push(...found.items.map(({ event }) => event.n));
      cursor = found.nextCursor;
    }
    expect(seen).toHaveLength(30);
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => b - a));
  });

  it('records each read and export as an event with the names of the filters, never their values', async () => {
    await page('limit=1&subject=alice&from=2026-01-01T00:00:00Z');
    await (await get('/v1/events/export?subject=alice', KEYS.acme)).text();
    const newest = async (type: string): Promise<unknown> =>
      (await page(`limit=1&type=${type}`, ADMIN_KEY)).items[0]?.event;
    const detail = { filters: 'subject', format: 'ndjson', isComplete: true };
    await eventually('the events are logged', async () =>
      JSON.stringify((await newest('audit.exported')) ?? '').includes('"format":"ndjson"'),
    );
    expect(await newest('audit.exported')).toMatchObject({
      ...{ actor: { user: { uid: 'key-acme' } }, metadata: { tenant_uid: 'acme' }, unmapped: { detail } },
    });
    const reads = await page('limit=50&type=audit.read');
    expect(JSON.stringify(reads)).toContain('"filters":"from subject"');
    expect(JSON.stringify(reads)).not.toContain('alice');
  });

  it('opens the personal fields of an event until its subject is erased, and then shows the event as erased', async () => {
    const subject = 'erin';
    const record = (kind: FactKind, more: object = {}): Promise<void> =>
      broker.send([toRecord({ message: factRecorded(kind, new Date(), { tenant: 'acme', subject, ...more }) })]);
    const event = async (): Promise<object | undefined> =>
      (await page('limit=1&type=credential.locked&subject=erin')).items[0];
    await record('credential.locked', { callerKey: 'b'.repeat(64), callerTail: '42' });
    await eventually('the event is logged', async () => (await event()) !== undefined);
    expect(await event()).toMatchObject({ personal: { caller_tail: '42', caller_key: 'b'.repeat(64) } });
    expect(JSON.stringify((await event()) as { event: object })).not.toContain('"erased"');
    await record('subject.erased');
    await eventually('the event reads as erased', async () => 'erased' in ((await event()) ?? {}));
    expect(await event()).toMatchObject({ erased: true, subject });
    expect(await event()).not.toHaveProperty('personal');
  });

  it('counts events per step and lists attacks for each key as far as its tenant, and for the administrator all', async () => {
    const record = (tenant: string, kind: FactKind, fields: object): Promise<void> =>
      broker.send([toRecord({ message: factRecorded(kind, new Date(), { tenant, ...fields }) })]);
    const [caller, other] = ['c'.repeat(64), 'd'.repeat(64)];
    const refusal = {
      outcome: 'rate_limited',
      detail: { dimension: 'caller', limit: 10, periodSeconds: 60, count: 7 },
    };
    await record('acme', 'credential.disabled', {});
    await record('acme', 'limit.refused', { callerKey: caller, callerTail: '42', ...refusal });
    await record('acme', 'signal.spray', { callerKey: caller, detail: { subjects: 10, withinSeconds: 600, count: 1 } });
    await record('acme', 'limit.tightened', { detail: { seconds: 600 } });
    await record('umbrella', 'limit.refused', { callerKey: other, ...refusal });
    const read = async (path: string, key: string): Promise<Record<string, object[]>> =>
      (await (await get(path, key)).json()) as Record<string, object[]>;
    const attacks = (key: string, query = ''): Promise<Record<string, object[]>> => read(`/v1/attacks${query}`, key);
    await eventually('the refusal of umbrella is logged', async () =>
      JSON.stringify(await attacks(ADMIN_KEY)).includes(other),
    );
    const found = await attacks(KEYS.acme);
    expect(found['signals']).toMatchObject([{ type: 'signal.spray', callerKey: caller, subjects: 10 }]);
    expect(found['tightened']).toMatchObject([{ tenant: 'acme' }]);
    expect(found['refused']).toMatchObject([{ dimension: 'caller', callerKey: caller, callerTail: '42', count: 7 }]);
    expect((await attacks(KEYS.umbrella))['refused']).toMatchObject([{ tenant: 'umbrella', callerKey: other }]);
    expect((await attacks(ADMIN_KEY, '?tenant=umbrella'))['signals']).toEqual([]);
    const counted = await read('/v1/events/counts?step=day', KEYS.acme);
    expect(counted['items']).toMatchObject([
      { attempts: {}, refusals: { caller: 7 }, signals: { spray: 1 }, locked: 1, disabled: 1 },
    ]);
    expect((await read('/v1/events/counts', KEYS.umbrella))['items']).toMatchObject([{ refusals: { caller: 7 } }]);
    expect((await read('/v1/events/counts', ADMIN_KEY))['items']).toMatchObject([{ refusals: { caller: 14 } }]);
    // A range that is too long becomes the longest that one answer may have.
    const long = await get('/v1/events/counts?step=minute&from=2020-01-01T00:00:00Z', KEYS.acme);
    const { from, to } = (await long.json()) as { from: string; to: string };
    expect(Date.parse(to) - Date.parse(from)).toBeLessThanOrEqual(1_441 * 60_000);
    const unknown = await (await get('/v1/nothing', KEYS.acme)).text();
    for (const path of ['/v1/events/counts?tenant=umbrella', '/v1/attacks?tenant=umbrella']) {
      const answer = await get(path, KEYS.acme);
      expect([answer.status, await answer.text()]).toEqual([404, unknown]);
    }
    expect((await get('/v1/attacks', KEYS.manage)).status).toBe(403);
  });

  it('reports the use of a key to the directory, once a minute at most', async () => {
    const uses: string[] = [];
    const types = new Map([[ApiKeyUseReported.type, ApiKeyUseReported]]);
    const onUse = (record: ConsumedRecord): void => void uses.push((decode(record, types) as ApiKeyUseReported).keyId);
    const follower = await broker.follow(TOPICS.apiKeyUses.name, onUse, fatal);
    for (let count = 0; count < 3; count++) await page('limit=1', KEYS.umbrella);
    await eventually('the use is reported', () => uses.includes('key-umbrella'));
    expect(uses.filter((key) => key === 'key-umbrella')).toHaveLength(1);
    await follower.close();
  });

  it('shows the administrator the events of every tenant', async () => {
    const { items } = await page('limit=200&type=attempt.decided', ADMIN_KEY);
    expect(new Set(items.map(({ tenant }) => tenant))).toEqual(new Set(['acme', 'umbrella']));
  });

  it('answers for an event of another tenant, its proof and its search as for an unknown path, byte for byte', async () => {
    const [foreign] = (await page('limit=1&type=attempt.decided', KEYS.umbrella)).items;
    const unknown = await (await get('/v1/nothing', KEYS.acme)).text();
    for (const path of [`/v1/events/${foreign?.id}`, `/v1/events/${foreign?.id}/proof`, '/v1/events?tenant=umbrella']) {
      const answer = await get(path, KEYS.acme);
      expect([answer.status, await answer.text()]).toEqual([404, unknown]);
    }
    expect((await get(`/v1/events/${foreign?.id}`, KEYS.umbrella)).status).toBe(200);
  });

  /** Signs the newest tree head, and sends the checkpoint as the signer does. @returns when the service has handled it */
  const sign = async (change = (root: Buffer): Buffer => root): Promise<void> => {
    const [head] = await administrator.query<{ size: string; root: Buffer }>(
      'SELECT size, root FROM audit.tree_heads ORDER BY size DESC LIMIT 1',
    );
    const note = signCheckpoint({ size: Number(head!.size), root: change(head!.root) }, signer);
    const { name: topic } = TOPICS.auditCheckpoints;
    await broker.send([{ topic, key: signer.verifier.name, value: Buffer.from(note), headers: {} }]);
  };
  interface Proven {
    index: number;
    proof: { index: number; size: number; hashes: string[]; checkpoint: string } | null;
  }
  const verifies = ({ index, size, hashes, checkpoint }: NonNullable<Proven['proof']>, value: Buffer): boolean => {
    const signed = openCheckpoint(checkpoint, signer.verifier);
    const proof = hashes.map((hash) => Buffer.from(hash, 'base64'));
    return signed.size === size && verifyInclusion(index, size, leafHash(value), proof, signed.root);
  };

  it('proves to each tenant its own events alone as soon as a checkpoint covers them', async () => {
    const own = { acme: 'dave', umbrella: 'mallory' };
    const events = new Map<string, { id: string; bytes: string | undefined }>();
    for (const [tenant, subject] of Object.entries(own)) {
      const [bytes] = await add(tenant, 1, subject);
      const [event] = (await page(`limit=1&subject=${subject}`, ADMIN_KEY)).items;
      events.set(tenant, { id: event!.id, bytes });
      const key = KEYS[tenant as keyof typeof own];
      expect(await (await get(`/v1/events/${event!.id}`, key)).json()).toMatchObject({ proof: null });
      expect((await get(`/v1/events/${event!.id}/proof`, key)).status).toBe(503);
    }
    await sign();
    const unknown = await (await get('/v1/nothing', KEYS.acme)).text();
    for (const [tenant, { id, bytes = '' }] of events)
      for (const [reader, key] of [
        ['acme', KEYS.acme],
        ['umbrella', KEYS.umbrella],
        [tenant, ADMIN_KEY],
      ] as const) {
        const [item, proof] = [await get(`/v1/events/${id}`, key), await get(`/v1/events/${id}/proof`, key)];
        if (reader !== tenant) {
          for (const answer of [item, proof]) expect([answer.status, await answer.text()]).toEqual([404, unknown]);
          continue;
        }
        const proven = (await item.json()) as Proven;
        expect(proven.proof?.index).toBe(proven.index);
        expect(verifies(proven.proof!, Buffer.from(bytes))).toBe(true);
        const whole = (await proof.json()) as NonNullable<Proven['proof']> & { value: string };
        expect(Buffer.from(whole.value, 'base64').toString()).toBe(bytes);
        expect(verifies(whole, Buffer.from(bytes))).toBe(true);
      }
    // A bundle has the events of all tenants.
    const bundle = '/tile/entries/000.p/1';
    expect([(await get(bundle, KEYS.acme)).status, (await get(bundle, ADMIN_KEY)).status]).toEqual([404, 200]);
    expect((await get('/v1/log/consistency?from=1&to=2', KEYS.umbrella)).status).toBe(200);
    expect((await get('/v1/log/consistency?from=1&to=2', KEYS.manage)).status).toBe(403);
  });

  it('makes a dead letter of a fact that no entry of the log can hold, and records the next one', async () => {
    const factOf = (code: string) =>
      toRecord({ message: factRecorded('access.refused', new Date(), { tenant: 'acme', detail: { code } }) });
    await broker.send([factOf('x'.repeat(70_000)), factOf('after')]);
    await eventually('the next fact is logged', async () =>
      JSON.stringify(await page('limit=1&type=access.refused', ADMIN_KEY)).includes('"after"'),
    );
    await eventually('the dead letter is an event', async () =>
      JSON.stringify(await page('limit=1&type=message.dead_lettered', ADMIN_KEY)).includes('EVENT_TOO_LARGE'),
    );
  });

  it('refuses a checkpoint with a root that is not of its log, and records that as an event', async () => {
    const before = await (await get('/checkpoint', ADMIN_KEY)).text();
    await add('acme', 1, 'alice');
    await sign((root) => leafHash(root));
    await eventually('the dead letter is an event', async () =>
      JSON.stringify(await page('limit=1&type=message.dead_lettered', ADMIN_KEY)).includes('CHECKPOINT_REFUSED'),
    );
    expect(await (await get('/checkpoint', ADMIN_KEY)).text()).toBe(before);
  });

  it.each([
    ['without the scope audit', KEYS.manage, '/v1/events', 403],
    ['that is unknown', createApiKey(), '/v1/events', 401],
    ['with a wrong filter', KEYS.acme, '/v1/events?type=no.kind', 422],
    ['with a wrong cursor', KEYS.acme, '/v1/events?cursor=1;DROP', 422],
  ])('refuses a request with a key %s', async (_what, key, path, status) => {
    expect((await get(path, key)).status).toBe(status);
  });

  it('exports the exact bytes of the events, plain and compressed, from a cursor on', async () => {
    const own = await page('order=asc&limit=200&type=attempt.decided');
    const lines = (await (await get('/v1/events/export?type=attempt.decided', KEYS.acme)).text()).split('\n');
    expect(lines.slice(0, -1)).toEqual(own.items.map(({ event }) => `{"n":${event.n},  "of":"acme"}`));
    const zipped = await get('/v1/events/export?type=attempt.decided&format=ndjson.gz', KEYS.acme);
    expect(gunzipSync(await zipped.arrayBuffer()).toString()).toBe(lines.join('\n'));
    const rest = await get(`/v1/events/export?type=attempt.decided&cursor=${own.items[9]?.index}`, KEYS.acme);
    expect(await rest.text()).toBe(lines.slice(10).join('\n'));
    const none = await get('/v1/events/export?subject=nobody&format=ndjson.gz', KEYS.acme);
    expect(gunzipSync(await none.arrayBuffer()).toString()).toBe('');
  });

  it('exports more events than one part holds, each exactly once, in every format, bounded by time too', async () => {
    await add('umbrella', 4_500, 'a "quoted", subject');
    const from = new Date(Date.now() - 600_000).toISOString();
    for (const query of ['type=attempt.decided', `type=attempt.decided&from=${from}`]) {
      const read = async (format: string): Promise<Buffer> =>
        Buffer.from(await (await get(`/v1/events/export?format=${format}&${query}`, KEYS.umbrella)).arrayBuffer());
      const lines = (await read('ndjson')).toString();
      const numbers = [...lines.matchAll(/"n":(\d+)/g)].map(([, n]) => Number(n));
      // Some numbers between are those of events of the other tenant.
      expect(numbers).toEqual([...new Set(numbers)].sort((one, other) => one - other));
      expect(numbers.length).toBeGreaterThanOrEqual(4_500);
      expect(gunzipSync(await read('ndjson.gz')).toString()).toBe(lines);
      const rows = parse<Record<string, string>>(await read('csv'), { columns: true });
      expect(rows.map(({ event }) => `${event}\n`).join('')).toBe(lines);
      expect(rows.at(-1)).toMatchObject({
        subject: 'a "quoted", subject',
        tenant: 'umbrella',
        type: 'attempt.decided',
      });
      expect(rows.at(-1)?.['time']).toMatch(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/);
    }
  }, 120_000);

  it('exports CSV in which no cell is a formula', async () => {
    const csv = await (await get('/v1/events/export?format=csv&type=attempt.decided', KEYS.umbrella)).text();
    expect(csv).toMatch(/^index,id,type,time,tenant,subject,call,event\n/);
    expect(csv).toContain(",'=cmd(),");
    expect(csv).not.toContain(',=cmd()');
  });

  it('opens 20 streams of a tenant at a time, whatever keys it sends, and takes none from other tenants', async () => {
    const leaving = new AbortController();
    const open = async (key: string): Promise<number> =>
      (await get('/v1/events/stream', key, {}, leaving.signal)).status;
    const keys = Array.from({ length: 20 }, (_, at) => (at % 2 === 0 ? KEYS.acme : KEYS.revoked));
    expect(new Set(await Promise.all(keys.map(open)))).toEqual(new Set([200]));
    expect([await open(KEYS.acme), await open(KEYS.revoked), await open(KEYS.umbrella)]).toEqual([429, 429, 200]);
    leaving.abort();
    const again = new AbortController();
    await eventually('a stream is free', async () => {
      const { status } = await get('/v1/events/stream', KEYS.acme, {}, again.signal);
      return status === 200;
    });
    again.abort();
  });

  it('follows new events, continues after Last-Event-ID without a gap, and ends within a second of a revocation', async () => {
    const leaving = new AbortController();
    const first = await get('/v1/events/stream?type=attempt.decided', KEYS.revoked, {}, leaving.signal);
    const added = await add('acme', 3, 'alice');
    const text = await readUntil(first, (sent) => sent.split('\nid: ').length > 4);
    leaving.abort();
    expect([...text.matchAll(/"event":(\{[^}]*\})/g)].map(([, value]) => value)).toEqual(added);
    const [, lastId = ''] = /id: (\d+)\nevent/.exec(text) ?? [];
    await add('umbrella', 2, 'bob');
    const more = await add('acme', 150, 'alice');
    const second = await get('/v1/events/stream?type=attempt.decided', KEYS.revoked, { 'last-event-id': lastId });
    const resumed = await readUntil(second, (sent) => sent.split('\nid: ').length > 153);
    expect([...resumed.matchAll(/"event":(\{[^}]*\})/g)].map(([, value]) => value)).toEqual([
      ...added.slice(1),
      ...more,
    ]);
    await broker.send([toRecord({ message: message(ApiKeyRemoved, { keyId: 'key-revoked' }) })]);
    const revokedAt = performance.now();
    await readUntil(second, () => false);
    expect(performance.now() - revokedAt).toBeLessThan(1000);
  });

  /** Reads until the text is enough, or the answer ends. */
  async function readUntil({ body }: Response, isEnough: (text: string) => boolean): Promise<string> {
    let text = '';
    const reader = body?.getReader() as ReadableStreamDefaultReader<Uint8Array> | undefined;
    const end = { done: true, value: undefined } as const;
    while (!isEnough(text)) {
      const { done, value } = (await reader?.read().catch(() => end)) ?? end;
      if (done) break;
      text += Buffer.from(value ?? []).toString();
    }
    reader?.releaseLock();
    return text;
  }
});
