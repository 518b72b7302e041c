import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { ensureSecretFiles } from '@countersign/installation';
import { type HostedService } from '@countersign/hosting';
import { MemoryBroker } from '@countersign/messaging';
import { createTestDatabase } from '@countersign/testing';
import { Client } from 'pg';
import { start as startAudit } from '../../apps/audit/src/start.js';
import { start as startDirectory } from '../../apps/directory/src/start.js';
import { start as startRateLimit } from '../../apps/rate-limit/src/start.js';
import { start as startVerification } from '../../apps/verification/src/start.js';
import { start as startWebhooks } from '../../apps/webhooks/src/start.js';

jest.setTimeout(180_000);

const SCHEMAS = ['audit', 'directory', 'rate_limit', 'verification', 'webhooks'];
const PRIVILEGES = 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER';

describe('the database of a running product', () => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-isolation-'));
  const broker = new MemoryBroker();
  let services: HostedService[] = [];
  let drop: () => Promise<void>;
  let admin: Client;

  beforeAll(async () => {
    const database = await createTestDatabase();
    drop = () => database.drop();
    const { values } = await ensureSecretFiles(join(folder, 'secrets'));
    const env = { ...values, DATABASE_URL: database.url, AUDIT_PORT: '0', LOG_LEVEL: 'silent' };
    const fatal = (error: Error): never => {
      throw error;
    };
    const starts = [startAudit, startDirectory, startRateLimit, startVerification, startWebhooks];
    services = await Promise.all(starts.map((start) => start(env, fatal, { broker, ops: false })));
    admin = new Client({ connectionString: database.url });
    await admin.connect();
  });
  afterAll(async () => {
    await admin.end();
    await Promise.all(services.map((service) => service.close()));
    await broker.close();
    await drop();
    rmSync(folder, { recursive: true, force: true });
  });

  const list = async (sql: string, ...params: unknown[]): Promise<unknown[]> => {
    const { rows } = await admin.query<{ one: unknown }>(sql, params);
    return rows.map(({ one }) => one);
  };

  it('forces row-level security on every table with rows of tenants', async () => {
    const tables = `SELECT format('%s.%s', n.nspname, c.relname) AS one
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
      WHERE n.nspname = ANY ($1) AND c.relkind = 'r' AND a.attname = 'tenant'`;
    const all = await list(`${tables} ORDER BY 1`, SCHEMAS);
    expect(all).toEqual(
      expect.arrayContaining(['audit.entries', 'directory.agents', 'verification.credentials', 'webhooks.webhooks']),
    );
    const forced = `${tables} AND c.relrowsecurity AND c.relforcerowsecurity
      AND (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) = 1 ORDER BY 1`;
    expect(await list(forced, SCHEMAS)).toEqual(all);
  });

  it('serves each service under a role that owns nothing and has no right in the schemas of the others', async () => {
    const working = await list(
      `SELECT DISTINCT rolname AS one FROM pg_roles r WHERE rolname = ANY ($1)
       AND NOT (rolsuper OR rolbypassrls OR rolcanlogin OR rolcreaterole OR rolcreatedb)
       AND NOT EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid) ORDER BY 1`,
      SCHEMAS.map((schema) => `countersign_${schema}`),
    );
    expect(working).toEqual(SCHEMAS.map((schema) => `countersign_${schema}`));
    const reach = await list(
      `SELECT format('%s reaches %s.%s', r.rolname, n.nspname, c.relname) AS one
       FROM pg_roles r, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE r.rolname LIKE 'countersign\\_%' AND n.nspname = ANY ($1) AND r.rolname <> 'countersign_' || n.nspname
         AND c.relkind = 'r' AND r.rolname <> 'countersign_log_signer'
         AND (has_schema_privilege(r.oid, n.oid, 'USAGE, CREATE') OR has_table_privilege(r.oid, c.oid, $2))`,
      SCHEMAS,
      PRIVILEGES,
    );
    expect(reach).toEqual([]);
  });

  it.each([
    ['countersign_rate_limit', 'SELECT * FROM verification.credentials'],
    ['countersign_verification', 'SELECT * FROM directory.agents'],
    ['countersign_directory', 'DELETE FROM verification.attempts'],
    ['countersign_audit', 'UPDATE verification.attempt_counters SET attempt_count = 0'],
    ['countersign_verification', 'ALTER TABLE verification.attempt_counters DISABLE ROW LEVEL SECURITY'],
    ['countersign_audit', 'SELECT * FROM webhooks.webhooks'],
    ['countersign_webhooks', 'SELECT * FROM audit.entries'],
    ['countersign_log_signer', 'SELECT * FROM audit.entries'],
    ['countersign_log_signer', 'SELECT * FROM directory.agents'],
    ['countersign_log_signer', 'UPDATE audit.log_state SET size = 0'],
    ['countersign_audit', 'DROP TRIGGER entries_append_only ON audit.entries'],
  ])('refuses %s, where it tries: %s', async (role, statement) => {
    await admin.query(`SET ROLE ${role}`);
    const attempt = admin.query(statement).finally(() => admin.query('RESET ROLE'));
    await expect(attempt).rejects.toMatchObject({ code: '42501' });
  });
});
