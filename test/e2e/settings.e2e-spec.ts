import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ensureSecretFiles } from '@countersign/installation';
import { requiredEnv, SERVICES, temporaryFolder, type ServiceName } from '../product.js';
import { Program } from '../program.js';

const ENDS_WITHIN_MS = 20_000;
/** A part of every wrong value: it must not be repeated. */
const CANARY = 'canary-73918264';

const STORES: readonly ServiceName[] = ['directory', 'verification', 'rate-limit', 'audit', 'log-signer', 'webhooks'];
/** The required settings of a service in addition to Kafka and, where it has one, its database. */
const SECRETS: Readonly<Record<ServiceName, readonly string[]>> = {
  directory: [],
  verification: ['CREDENTIAL_KEYS', 'SEALING_PRIVATE_KEYS', 'IDENTIFIER_KEY', 'RECEIPT_KEYS'],
  'rate-limit': ['IDENTIFIER_KEY'],
  audit: ['ADMIN_API_KEY', 'AUDIT_KEYS'],
  'log-signer': ['LOG_SIGNING_KEY'],
  webhooks: ['WEBHOOK_KEYS'],
  'rest-adapter': ['SEALING_PUBLIC_KEYS', 'RECEIPT_PUBLIC_KEYS', 'IDENTIFIER_KEY', 'ADMIN_API_KEY'],
  'swaig-adapter': ['SEALING_PUBLIC_KEYS', 'RECEIPT_PUBLIC_KEYS', 'IDENTIFIER_KEY', 'CAPTURE_TOKEN_KEY'],
};
const NUMBERS = {
  ...{ OPS_PORT: CANARY, LOG_LEVEL: CANARY, KAFKA_BROKERS: CANARY, KAFKA_TLS: CANARY, KAFKA_SASL_MECHANISM: CANARY },
  ...{
    TOPIC_PARTITIONS: CANARY,
    COMMAND_RETENTION_SECONDS: CANARY,
    AUDIT_RETENTION_DAYS: CANARY,
    FACTS_RETENTION_HOURS: CANARY,
  },
  KAFKAJS_DEBUG_PROTOCOL_BUFFERS: CANARY,
};
const OWN_NUMBERS: Readonly<Record<ServiceName, readonly string[]>> = {
  directory: ['DATABASE_POOL_SIZE'],
  verification: ['DATABASE_POOL_SIZE', 'HASH_MEMORY_KIB', 'HASH_QUEUE', 'MAX_IN_FLIGHT', 'RECEIPT_SECONDS'],
  'rate-limit': ['DATABASE_POOL_SIZE', 'PURGE_SECONDS', 'REPORT_SECONDS'],
  audit: ['DATABASE_POOL_SIZE', 'MAX_IN_FLIGHT', 'AUDIT_PORT'],
  'log-signer': ['DATABASE_POOL_SIZE'],
  webhooks: ['DATABASE_POOL_SIZE', 'WEBHOOK_TIMEOUT_MS', 'WEBHOOK_ALLOWED_NETWORKS', 'WEBHOOK_DNS_SERVERS'],
  'rest-adapter': ['REST_PORT', 'REPLY_TIMEOUT_MS'],
  'swaig-adapter': ['SWAIG_PORT', 'REPLY_TIMEOUT_MS', 'PUBLIC_URL'],
};

describe('a service that is started with a setting missing or wrong', () => {
  let folder: string;
  let good: Record<string, string>;

  beforeAll(async () => {
    folder = await temporaryFolder();
    const { values } = await ensureSecretFiles(join(folder, 'secrets'));
    good = {
      ...values,
      ...{ OPS_PORT: '0', SWAIG_PORT: '0', REST_PORT: '0', AUDIT_PORT: '0' },
      DATABASE_URL: requiredEnv('TEST_DATABASE_URL'),
      KAFKA_BROKERS: requiredEnv('TEST_KAFKA_BROKERS'),
      LOG_SIGNER_STATE: join(folder, 'log-signer.state'),
      TOPIC_PREFIX: `e2e-${randomBytes(6).toString('hex')}.`,
    };
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Starts a service and waits for its end. @returns what it printed */
  const fails = async (service: string, env: Record<string, string>): Promise<string> => {
    const program = Program.start(service, env);
    const limit = setTimeout(() => program.signal('SIGKILL'), ENDS_WITHIN_MS);
    const { code, signal } = await program.ended.finally(() => clearTimeout(limit));
    expect({ service, signal, failed: code !== 0 }).toEqual({ service, signal: null, failed: true });
    return program.output;
  };

  const namesWithoutValue = async (service: ServiceName, name: string, value: string): Promise<void> => {
    const output = await fails(service, { ...good, [name]: value });
    expect(output).toContain(name);
    expect(output).not.toContain(CANARY);
  };
  const without = (name: string): Record<string, string> =>
    Object.fromEntries(Object.entries(good).filter(([key]) => key !== name));

  it.each(SERVICES)(
    '%s names every required setting that is missing',
    async (service) => {
      const output = await fails(service, {});
      for (const name of SECRETS[service]) expect(output).toContain(name);
      if (STORES.includes(service)) expect(output).toContain('DATABASE_URL');
      expect(await fails(service, without('KAFKA_BROKERS'))).toContain('KAFKA_BROKERS');
    },
    60_000,
  );

  it.each(SERVICES)(
    '%s names every wrong number, address and level, and repeats no value',
    async (service) => {
      const wrong = { ...NUMBERS, ...Object.fromEntries(OWN_NUMBERS[service].map((name) => [name, CANARY])) };
      const output = await fails(service, { ...good, ...wrong });
      for (const name of Object.keys(wrong)) expect(output).toContain(name);
      expect(output).not.toContain(CANARY);
    },
    60_000,
  );

  const KEY_SET = `{"keys":[{"kty":"OKP","crv":"X25519","x":"${CANARY}"}]}`;
  const secrets = SERVICES.flatMap((service) => SECRETS[service].map((name): [ServiceName, string] => [service, name]));
  it.each(secrets)(
    '%s names %s when it has the wrong form, and does not repeat its value',
    async (service, name) => {
      // The administrator's key may have any characters but spaces.
      const values = [CANARY, name === 'ADMIN_API_KEY' ? `${CANARY} with spaces in it` : KEY_SET];
      await Promise.all(values.map((value) => namesWithoutValue(service, name, value)));
    },
    60_000,
  );

  it.each(STORES)(
    '%s names DATABASE_URL when it is not an address, and does not repeat its value',
    async (service) => {
      await namesWithoutValue(service, 'DATABASE_URL', CANARY);
    },
    60_000,
  );

  it('directory names DATABASE_URL when the file that should hold it does not exist', async () => {
    const output = await fails('directory', { ...without('DATABASE_URL'), DATABASE_URL_FILE: join(folder, CANARY) });
    expect(output).toContain('DATABASE_URL');
    expect(output).not.toContain(CANARY);
  }, 60_000);

  it('the product in one process names every wrong setting, and repeats no value', async () => {
    const wrong = { SWAIG_PORT: CANARY, REST_PORT: CANARY, DEMO: CANARY, OPS_PORT: CANARY };
    const output = await fails('all-in-one', { ...wrong, DATA_DIR: join(folder, 'data') });
    for (const name of Object.keys(wrong)) expect(output).toContain(name);
    expect(output).not.toContain(CANARY);
  }, 60_000);
});
