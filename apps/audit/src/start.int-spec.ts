import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type HostedService } from '@countersign/hosting';
import { MemoryBroker } from '@countersign/messaging';
import { createTestDatabase } from '@countersign/testing';
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
  let drop: () => Promise<void>;
  beforeAll(async () => {
    const database = await createTestDatabase();
    drop = () => database.drop();
    env = { DATABASE_URL: database.url, AUDIT_PORT: '0', ADMIN_API_KEY, AUDIT_KEYS: newKey(), LOG_LEVEL: 'silent' };
    service = await start(env, fatal, { broker, ops: false });
  });
  afterAll(async () => {
    await service.close();
    await broker.close();
    await drop();
  });

  const get = (path: string, key?: string): Promise<Response> =>
    fetch(`${service.urls['audit']}${path}`, { headers: key === undefined ? {} : { authorization: `Bearer ${key}` } });

  it('answers health probes without a key', async () => {
    expect((await get('/health/ready')).status).toBe(200);
  });

  it('answers an unknown path with problem details and the id of the request', async () => {
    const answer = await get('/v1/nothing', ADMIN_API_KEY);
    expect(answer.status).toBe(404);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(answer.headers.get('request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each([
    ['ADMIN_API_KEY', 'only-23-characters-long'],
    ['AUDIT_PORT', '70000'],
    ['AUDIT_KEYS', 'k1:too-short-a-key'],
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
