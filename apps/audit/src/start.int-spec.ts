import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  AttemptsReported,
  encodeMessage,
  FactRecorded,
  factRecorded,
  message,
  type Message,
} from '@countersign/contracts';
import { type HostedService } from '@countersign/hosting';
import { MemoryBroker } from '@countersign/messaging';
import { openDatabase, type Database } from '@countersign/persistence';
import { createTestDatabase, eventually } from '@countersign/testing';
import { register } from 'prom-client';
import { AUDIT_MIGRATIONS } from '../migrations/index.js';
import { start } from './start.js';

const ADMIN_API_KEY = 'admin-key-of-more-than-24-characters';
const newKey = (): string => `k1:${randomBytes(32).toString('base64url')}`;
const fatal = (error: Error): never => {
  throw error;
};

describe('the audit service', () => {
  const broker = new MemoryBroker();
  let service: HostedService;
  let env: Record<string, string>;
  let tables: Database;
  let drop: () => Promise<void>;
  beforeAll(async () => {
    const database = await createTestDatabase();
    drop = () => database.drop();
    env = { DATABASE_URL: database.url, AUDIT_PORT: '0', ADMIN_API_KEY, AUDIT_KEYS: newKey(), LOG_LEVEL: 'silent' };
    service = await start(env, fatal, { broker, ops: false });
    const migrations = AUDIT_MIGRATIONS;
    tables = await openDatabase({
      ...{ url: database.url, schema: 'audit', migrations, as: 'administrator', applicationName: 'test' },
    });
  });
  afterAll(async () => {
    await service.close();
    await broker.close();
    await tables.close();
    await drop();
  });

  const get = (path: string, key?: string): Promise<Response> =>
    fetch(`${service.urls['audit']}${path}`, { headers: key === undefined ? {} : { authorization: `Bearer ${key}` } });

  const send = (sent: Message): Promise<void> => {
    const { value, ...record } = encodeMessage(randomUUID(), sent);
    return broker.send([{ ...record, value: Buffer.from(value) }]);
  };

  it('answers health probes without a key', async () => {
    expect((await get('/health/ready')).status).toBe(200);
  });

  it('answers an unknown path with problem details and the id of the request', async () => {
    const answer = await get('/v1/nothing', ADMIN_API_KEY);
    expect(answer.status).toBe(404);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(answer.headers.get('request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('compares reported attempts with its log, and its log with the topic of events', async () => {
    const [logged, lost] = [1, 2].map((number) => ({
      ...{ attemptId: randomUUID(), countedAt: new Date().toISOString(), tenant: 'acme', subject: 'alice' },
      ...{ method: 'pin' as const, number, outcome: 'rejected' as const },
    })) as [AttemptsReported['attempts'][number], AttemptsReported['attempts'][number]];
    const fact = factRecorded('attempt.decided', new Date(logged.countedAt), {
      ...{ tenant: 'acme', subject: 'alice', verificationId: logged.attemptId },
      ...{ channel: 'rest', method: 'pin', outcome: 'rejected', attempt: 1 },
    });
    await send(fact);
    await eventually(
      'the event is in the log and was read back',
      async () => {
        const rows = await tables.query(
          `SELECT FROM audit.log_state, audit.read_back
           WHERE indexes = int8multirange(int8range(0, size))
             AND EXISTS (SELECT FROM audit.entries WHERE event_id = $1)`,
          [fact.factId],
        );
        return rows.length > 0;
      },
      10_000,
    );
    const report = message(AttemptsReported, {
      ...{
        reportId: randomUUID(),
        pass: 'live',
        from: '2026-01-01T00:00:00.000Z',
        purgedBefore: '2026-01-01T00:00:00.000Z',
      },
      ...{ until: new Date(Date.now() + 1_000).toISOString(), attempts: [logged, lost] },
    });
    await send(report);
    const metrics = await register.getSingleMetricAsString('countersign_audit_differences');
    expect(metrics).toContain('{difference="not_logged"} 1');
    expect(metrics.match(/ [1-9]\d*$/gm)).toHaveLength(1);
  });

  it('writes a dead letter for a fact with a time that no program can compare, and records the next fact of its key', async () => {
    const fields = { tenant: 'acme', subject: 'bob' };
    const next = factRecorded('subject.changed', new Date(), fields);
    const unreadable = factRecorded('subject.changed', new Date(), fields);
    await send(message(FactRecorded, { ...unreadable, time: '2026-W47-7' }));
    await send(next);
    await eventually(
      'the next fact and the dead letter are events',
      async () => {
        const kinds = await tables.query<{ kind: string }>(
          `SELECT kind FROM audit.entries WHERE event_id IN ($1, $2) OR kind = 'message.dead_lettered' ORDER BY kind`,
          [next.factId, unreadable.factId],
        );
        return kinds.map(({ kind }) => kind).join() === 'message.dead_lettered,subject.changed';
      },
      10_000,
    );
  });

  it.each([
    ['ADMIN_API_KEY', 'only-23-characters-long'],
    ['AUDIT_PORT', '70000'],
    ['AUDIT_KEYS', 'k1:too-short-a-key'],
    ['LOG_RETENTION_DAYS', '29'],
    ['LOG_PUBLIC_KEYS', 'log.example/audit+00000000+AA=='],
    // Not the key that the tables were written with.
    ['AUDIT_KEYS', newKey()],
  ])('stops with the name of %s and without its value', async (name, value) => {
    const failure = await start({ ...env, [name]: value }, fatal, { broker, ops: false }).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: 'SETTINGS_INVALID', message: expect.stringContaining(name) });
    expect((failure as Error).message).not.toContain(value);
  });
});
