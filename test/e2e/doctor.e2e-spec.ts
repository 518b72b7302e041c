import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DEAD_LETTERS, DEFAULT_LOG_ORIGIN, TOPICS } from '@countersign/contracts';
import { createReceiptKeys, createSealingKeys, receiptPublicKeysOf, Secret } from '@countersign/crypto';
import { ensureSecretFiles } from '@countersign/installation';
import { createBroker } from '@countersign/messaging';
import { openDatabase, type Database } from '@countersign/persistence';
import {
  eventually,
  startKafka,
  startPostgres,
  TestAuthority,
  type KafkaCluster,
  type TestPostgres,
} from '@countersign/testing';
import { createSignerKey } from '@countersign/transparency-log';
import { giveRights } from '../../libs/messaging/test/kafka-rights.js';
import { changeTopic, deleteTopic } from '../../libs/messaging/test/kafka-topics.js';
import { startSeparate, temporaryFolder, type SeparateProduct } from '../product.js';
import { Program } from '../program.js';
import { documentedRights } from '../rights.js';
import { complaints, doctor, type Diagnosed } from '../run-doctor.js';
import { dataFolder } from './doctor-data-folder.contract.js';
import { openWorld, PIN } from './world.js';

const TOPIC_PREFIX = 'examined.';
const CLOCK_SHIFT = pathToFileURL(join(process.cwd(), 'test', 'invariants', 'clock-shift.mjs')).href;
const DAY_MS = 86_400_000;

type Values = Readonly<Record<string, string>>;

const newKey = (): string => randomBytes(32).toString('base64url');

function listen(onConnection: (socket: Socket) => void): Promise<{ server: Server; port: number }> {
  const server = createServer(onConnection);
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve({ server, port: (server.address() as AddressInfo).port })),
  );
}

describe('countersign doctor, over a Kafka and a PostgreSQL that require TLS and a login', () => {
  let authority: TestAuthority;
  let kafka: KafkaCluster;
  let postgres: TestPostgres;
  let product: SeparateProduct;
  let withoutAnswers: Promise<Diagnosed>;
  let administrator: Database;
  let folder: string;
  let secrets: Values;
  const passwords = { operator: newKey(), restricted: newKey() };

  /** The settings of all services at once, under a user with the rights of all of them. */
  const settings = (): Record<string, string> => ({
    ...secrets,
    ...{ HOST: '127.0.0.1', OPS_PORT: '0', SWAIG_PORT: '0', REST_PORT: '0', AUDIT_PORT: '0', TOPIC_PREFIX },
    LOG_SIGNER_STATE: join(folder, 'log-signer.state'),
    ...{ KAFKA_BROKERS: kafka.brokers.join(','), KAFKA_TLS: 'true', KAFKA_TLS_CA: authority.pem },
    ...{ KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512', KAFKA_USERNAME: 'operator', KAFKA_PASSWORD: passwords.operator },
    ...{ DATABASE_URL: product.databaseUrl, DATABASE_CA: authority.pem },
  });
  /** Certificates of the test authority are valid for a day. */
  const examine = async (changed: Values = {}, ...args: string[]): Promise<Diagnosed> => {
    const env = { ...settings(), ...changed };
    const found = await doctor(env, ...(args.includes('--min-days') ? [] : ['--min-days', '0']), ...args);
    const hidden = [...Object.values(secrets), ...Object.values(passwords), new URL(product.databaseUrl).password];
    for (const secret of [...hidden, changed['IDENTIFIER_KEY'] ?? newKey()]) expect(found.output).not.toContain(secret);
    return found;
  };

  const examineWithoutAnswers = async (): Promise<Diagnosed> => {
    const sockets = new Set<Socket>();
    const { server, port } = await listen((socket) => void sockets.add(socket.on('error', () => undefined)));
    const url = new URL(product.databaseUrl);
    url.port = String(port);
    const found = await examine({ KAFKA_BROKERS: `127.0.0.1:${port}`, DATABASE_URL: url.href });
    for (const socket of sockets) socket.destroy();
    server.close();
    return found;
  };

  beforeAll(async () => {
    authority = await TestAuthority.create();
    folder = await temporaryFolder();
    ({ values: secrets } = await ensureSecretFiles(join(folder, 'secrets')));
    [kafka, postgres] = await Promise.all([
      startKafka({ security: { authority, users: passwords, authorize: true } }),
      startPostgres({ authority }),
    ]);
    const rights = documentedRights(TOPIC_PREFIX);
    const facts = `${TOPIC_PREFIX}${TOPICS.facts.name}`;
    await giveRights(kafka.innerBrokers, [
      ...rights.map((right) => ({ ...right, user: 'operator' })),
      ...rights
        .filter(({ name, operation }) => !(name === facts && operation === 'WRITE'))
        .map((right) => ({ ...right, user: 'restricted' })),
    ]);
    const envOf = (): Values => ({
      ...secrets,
      ...{ KAFKA_TLS: 'true', KAFKA_TLS_CA: authority.pem, KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512' },
      ...{ KAFKA_USERNAME: 'operator', KAFKA_PASSWORD: passwords.operator, DATABASE_CA: authority.pem },
    });
    product = await startSeparate({
      servers: {
        ...{ brokers: kafka.brokers, topicPrefix: TOPIC_PREFIX, envOf },
        ...{ databaseUrl: postgres.url, databaseTls: { ca: authority.pem } },
      },
      env: { ADMIN_API_KEY: secrets['ADMIN_API_KEY'] ?? '' },
    });
    administrator = await openDatabase({
      ...{ url: product.databaseUrl, tls: { ca: authority.pem }, schema: 'verification', migrations: 'none' },
      ...{ as: 'administrator', poolSize: 1, applicationName: 'spec' },
    });
    // It waits for its limits while the other tests run.
    withoutAnswers = examineWithoutAnswers();
    withoutAnswers.catch(() => undefined);
  }, 240_000);
  afterAll(async () => {
    await administrator?.close();
    await product?.remove();
    await Promise.all([kafka?.close(), postgres?.close()]);
    await rm(folder, { recursive: true, force: true });
  }, 90_000);

  it('finds nothing while the product runs, nor after it was stopped', async () => {
    const { client, agent, enrol } = await openWorld({ ...product, adminKey: secrets['ADMIN_API_KEY'] ?? '' });
    const { subject } = await enrol();
    expect((await client.verify(agent, { subject, pin: PIN })).json).toMatchObject({ outcome: 'verified' });
    const running = await eventually('nothing waits for a consumer', async () => {
      const found = await examine();
      return complaints(found).includes('groups') ? undefined : found;
    });
    expect(running.lines.filter(({ status }) => status !== 'ok')).toEqual([]);
    expect(running.exitCode).toBe(0);
    expect(running.lines.find(({ check }) => check === 'broker')?.text).toContain('over TLS, login with SCRAM-SHA-512');
    expect(running.lines.find(({ check }) => check === 'clock')?.text).toMatch(/PostgreSQL -?\d+ ms, Kafka -?\d+ ms/);

    await product.terminate();
    const stopped = await examine();
    expect(stopped.lines.filter(({ status }) => status !== 'ok')).toEqual([]);
    expect(stopped.exitCode).toBe(0);
  }, 120_000);

  interface Fault {
    /** As it follows on "finds". */
    readonly what: string;
    readonly check: string;
    /** What the line must say, and the cure it must name. */
    readonly text: RegExp;
    readonly cure: RegExp;
    readonly status?: 'warning';
    readonly args?: () => readonly string[];
    /** Makes the fault. @returns changed settings, and how to end it */
    readonly seed: () => Promise<{ env?: Values; mend?: () => Promise<unknown> }> | { env?: Values };
  }

  const sql = (fault: string, mending: string) => async () => {
    await administrator.query(fault);
    return { mend: () => administrator.query(mending) };
  };
  const topic = (name: string, changed: Values) => async () => ({
    mend: await changeTopic(kafka.innerBrokers, TOPIC_PREFIX + name, changed),
  });

  it.each<Fault>([
    {
      what: 'an IDENTIFIER_KEY that is not the one of the tables',
      check: 'identifier-key',
      text: /^IDENTIFIER_KEY of (verification|rate-limit|rest-adapter|swaig-adapter) must hold/,
      cure: /restore it from the backup of your secrets|copy it from the same secrets folder/,
      seed: () => ({ env: { IDENTIFIER_KEY: newKey() } }),
    },
    {
      what: 'a keyring without the key of stored rows',
      check: 'credential-keys',
      text: /CREDENTIAL_KEYS of verification must hold the key k1, which rows of verification\./,
      cure: /restore it after the first one/,
      seed: () => ({ env: { CREDENTIAL_KEYS: `k2:${newKey()}` } }),
    },
    {
      what: 'sealing keys of the adapters that verification cannot open',
      check: 'sealing-keys',
      text: /SEALING_PUBLIC_KEYS of (rest|swaig)-adapter must begin with the public half of a key in the SEALING_PRIVATE_KEYS/,
      cure: /copy it from the same secrets folder/,
      seed: async () => ({ env: { SEALING_PUBLIC_KEYS: (await createSealingKeys('s1')).publicKeys } }),
    },
    {
      what: 'receipt keys of the adapters that do not verify',
      check: 'receipt-keys',
      text: /RECEIPT_PUBLIC_KEYS of (rest|swaig)-adapter must hold the public half of the first key/,
      cure: /countersign keys public prints it/,
      seed: () => ({ env: { RECEIPT_PUBLIC_KEYS: receiptPublicKeysOf(new Secret(createReceiptKeys('r1'))) } }),
    },
    {
      what: 'several wrong settings of several services at once',
      check: 'settings',
      text: /^(LOG_LEVEL must be one of|RECEIPT_SECONDS must not be less than 10|ADMIN_API_KEY must be printable)/,
      cure: /^correct (LOG_LEVEL|RECEIPT_SECONDS|ADMIN_API_KEY) or .* in the environment of .*, and restart/,
      seed: () => ({
        env: { LOG_LEVEL: 'loud', RECEIPT_SECONDS: '5', ADMIN_API_KEY: 'with spaces in its middle here' },
      }),
    },
    {
      what: 'a topic that is missing',
      check: 'topics',
      text: /topic examined\.limit\.commands does not exist/,
      cure: /restart a service that uses it/,
      seed: async () => {
        await deleteTopic(kafka.innerBrokers, TOPIC_PREFIX + TOPICS.limitCommands.name);
        const broker = createBroker({ brokers: kafka.innerBrokers, clientId: 'spec', topicPrefix: TOPIC_PREFIX });
        return { mend: () => broker.ensureTopics([TOPICS.limitCommands]).finally(() => broker.close()) };
      },
    },
    {
      what: 'a directory topic without compaction',
      check: 'topics',
      text: /topic examined\.countersign\.directory has cleanup\.policy=delete/,
      cure: /kafka-configs\.sh .*--entity-name examined\.countersign\.directory --add-config cleanup\.policy=compact/,
      seed: topic(TOPICS.directory.name, { 'cleanup.policy': 'delete' }),
    },
    {
      what: 'a topic of facts that deletes them too early',
      check: 'topics',
      text: /topic examined\.countersign\.facts has retention\.ms=3600000/,
      cure: /--entity-name examined\.countersign\.facts --add-config retention\.ms=604800000/,
      seed: topic(TOPICS.facts.name, { 'retention.ms': '3600000' }),
    },
    {
      what: 'a topic that demands more replicas than it has',
      check: 'topics',
      text: /topic examined\.verification\.requests has min\.insync\.replicas=2/,
      cure: /--add-config min\.insync\.replicas=1/,
      seed: topic(TOPICS.requests.name, { 'min.insync.replicas': '2' }),
    },
    {
      what: 'a user of Kafka without a right',
      check: 'kafka-rights',
      text: /the user restricted lacks WRITE on topic examined\.countersign\.facts, which [a-z-]+ needs/,
      cure: /kafka-acls\.sh .*--allow-principal User:restricted --operation WRITE --topic examined\.countersign\.facts$/,
      seed: () => ({ env: { KAFKA_USERNAME: 'restricted', KAFKA_PASSWORD: passwords.restricted } }),
    },
    {
      what: 'a wrong password for Kafka',
      check: 'broker',
      text: /the brokers refuse the login/,
      cure: /KAFKA_USERNAME, KAFKA_PASSWORD and KAFKA_SASL_MECHANISM/,
      seed: () => ({ env: { KAFKA_PASSWORD: newKey() } }),
    },
    {
      what: 'a broker that is not reachable',
      check: 'broker',
      text: /the broker could not describe the cluster/,
      cure: /check that the brokers named by KAFKA_BROKERS run and can be reached/,
      seed: () => ({ env: { KAFKA_BROKERS: '127.0.0.1:1' } }),
    },
    {
      what: 'a wrong password for the database',
      check: 'database',
      text: /The database cannot be used/,
      cure: /the server refuses the user or password; correct DATABASE_URL/,
      seed: () => {
        const url = new URL(product.databaseUrl);
        url.password = newKey();
        return { env: { DATABASE_URL: url.href } };
      },
    },
    {
      what: 'a role of a service without a right',
      check: 'rights',
      text: /the role countersign_verification lacks UPDATE on verification\.attempts/,
      cure: /GRANT UPDATE ON verification\.attempts TO countersign_verification/,
      seed: sql(
        'REVOKE UPDATE ON verification.attempts FROM countersign_verification',
        'GRANT UPDATE ON verification.attempts TO countersign_verification',
      ),
    },
    {
      what: 'a migration that is missing',
      check: 'migrations',
      text: /the schema audit lacks the migrations baseline/,
      cure: /restart every copy of audit with this build/,
      seed: async () => {
        const rows = await administrator.query<{ timestamp: string; name: string }>(
          'DELETE FROM audit.migrations RETURNING timestamp, name',
        );
        return {
          mend: async () => {
            for (const { timestamp, name } of rows) {
              await administrator.query('INSERT INTO audit.migrations (timestamp, name) VALUES ($1, $2)', [
                ...[timestamp, name],
              ]);
            }
          },
        };
      },
    },
    {
      what: 'a schema of a newer build',
      check: 'migrations',
      text: /the schema directory has migrations that this build does not know \(later\)/,
      cure: /start a build that is at least as new/,
      seed: sql(
        `INSERT INTO directory.migrations (timestamp, name) VALUES (1999999999999, 'later')`,
        `DELETE FROM directory.migrations WHERE name = 'later'`,
      ),
    },
    {
      what: 'a table without row-level security',
      check: 'row-security',
      text: /row-level security is not forced on directory\.agents/,
      cure: /ALTER TABLE directory\.agents ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY/,
      seed: sql(
        'ALTER TABLE directory.agents DISABLE ROW LEVEL SECURITY',
        'ALTER TABLE directory.agents ENABLE ROW LEVEL SECURITY',
      ),
    },
    {
      what: 'an expired certificate in a setting',
      check: 'settings',
      text: /DATABASE_CERT must be valid today/,
      cure: /correct DATABASE_CERT/,
      seed: async () => {
        const { cert, key } = await authority.issue('client', [], Date.now() - 30 * DAY_MS);
        return { env: { DATABASE_CERT: cert, DATABASE_KEY: key } };
      },
    },
    {
      what: 'an expired certificate of the HTTP ports',
      check: 'settings',
      text: /TLS_CERT_FILE must be valid today/,
      cure: /correct TLS_CERT_FILE .* in the environment of all services/,
      seed: async () => {
        const { cert, key } = await authority.issue('api', ['127.0.0.1'], Date.now() - 30 * DAY_MS);
        const files = { TLS_CERT_FILE: join(folder, 'http.crt'), TLS_KEY_FILE: join(folder, 'http.key') };
        await writeFile(files.TLS_CERT_FILE, cert);
        await writeFile(files.TLS_KEY_FILE, key, { mode: 0o600 });
        return { env: files };
      },
    },
    {
      what: 'a missing key of the audit log',
      check: 'log-keys',
      status: 'warning',
      text: /^LOG_PUBLIC_KEYS of audit is not set, so no checkpoint of the audit log is accepted/,
      cure: /^set LOG_PUBLIC_KEYS to the public key of the log signer/,
      seed: () => ({ env: { LOG_PUBLIC_KEYS: '' } }),
    },
    {
      what: 'a key of the log signer that audit does not accept',
      check: 'log-keys',
      text: /^LOG_PUBLIC_KEYS of audit does not have the public half of LOG_SIGNING_KEY/,
      cure: /^add it/,
      seed: () => ({ env: { LOG_SIGNING_KEY: createSignerKey(DEFAULT_LOG_ORIGIN) } }),
    },
    {
      what: 'certificates that expire soon, of the settings and of the servers',
      check: 'certificates',
      status: 'warning',
      text: /^(KAFKA_TLS_CA|DATABASE_CA|the certificate of (PostgreSQL|127\.0\.0\.1:\d+)) expires in 0 days/,
      cure: /put a new certificate into|replace it on the server/,
      args: () => ['--min-days', '30'],
      seed: () => ({}),
    },
    {
      what: 'a clock that differs from those of the servers',
      check: 'clock',
      text: /the clock of (PostgreSQL|Kafka) is (119|120)\.\d s behind the clock of this machine/,
      cure: /synchronize both machines with NTP/,
      seed: () => ({ env: { NODE_OPTIONS: `--import ${CLOCK_SHIFT}`, CLOCK_SHIFT_MS: '120000' } }),
    },
    {
      what: 'a secret file that every user may read',
      check: 'secret-files',
      text: /every user of this machine may use .*RECEIPT_KEYS, which holds a secret \(mode 644\)/,
      cure: /^chmod 600 .*RECEIPT_KEYS/,
      seed: async () => {
        const file = join(folder, 'secrets', 'RECEIPT_KEYS');
        await chmod(file, 0o644);
        return { env: { RECEIPT_KEYS: '', RECEIPT_KEYS_FILE: file }, mend: () => chmod(file, 0o600) };
      },
    },
    {
      what: 'a disk with less free space than is demanded',
      check: 'disk',
      text: /only \d+ MiB are free for .*, fewer than 999999999/,
      cure: /free at least \d+ MiB on this disk/,
      args: () => ['--data-dir', folder, '--min-disk', '999999999'],
      seed: () => ({}),
    },
    {
      what: 'hashes that need more memory than there is',
      check: 'memory',
      text: /verification needs up to \d+ MiB, 262144 of them for hashes; this machine or container has/,
      cure: /lower HASH_CONCURRENCY or HASH_MEMORY_KIB/,
      seed: () => ({ env: { HASH_CONCURRENCY: '256', HASH_MEMORY_KIB: '1048576' } }),
    },
    {
      what: 'a port that another program uses',
      check: 'ports',
      text: /REST_PORT: port \d+ is taken by another program/,
      cure: /stop that program .*, or set REST_PORT to another port/,
      seed: async () => {
        const { server, port } = await listen((socket) =>
          socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n'),
        );
        return { env: { REST_PORT: String(port) }, mend: () => Promise.resolve(server.close()) };
      },
    },
  ])(
    'finds $what, and names the cure',
    async ({ check, text, cure, status = 'failed', args, seed }) => {
      const { env = {}, mend } = { mend: undefined, ...(await seed()) };
      try {
        const found = await examine(env, ...(args?.() ?? []));
        expect(complaints(found)).toEqual([check]);
        const lines = found.lines.filter((line) => line.check === check);
        for (const line of lines) {
          expect(line).toMatchObject({ status, text: expect.stringMatching(text), cure: expect.stringMatching(cure) });
        }
        expect(found.exitCode).toBe(status === 'failed' ? 2 : 1);
        for (const line of found.lines.filter((one) => one.status === 'skipped'))
          expect(line.text).toMatch(/^not checked: ./);
      } finally {
        await mend?.();
      }
    },
    60_000,
  );

  it('names every wrong setting, and every one that has no effect any more, in one run', async () => {
    const wrong = { LOG_LEVEL: 'loud', RECEIPT_SECONDS: '5', IDENTIFIER_KEY: 'short-83729164' };
    const { lines } = await examine({ ...wrong, SEND_LINGER_MS: '50' });
    const found = lines.filter(({ check }) => check === 'settings');
    const namesOf = (kind: string) =>
      found.filter(({ status }) => status === kind).map(({ text }) => text.split(' ')[0]);
    expect(namesOf('failed').sort()).toEqual(['IDENTIFIER_KEY', 'LOG_LEVEL', 'RECEIPT_SECONDS']);
    expect(namesOf('warning')).toEqual(['SEND_LINGER_MS']);
  }, 60_000);

  it('ends within a minute when the servers accept connections and never answer', async () => {
    const found = await withoutAnswers;
    expect(complaints(found).sort()).toEqual(['broker', 'database']);
    expect(found.seconds).toBeLessThan(60);
  }, 100_000);

  it('is what a start obeys: a service whose tables lack row-level security does not start', async () => {
    await administrator.query('ALTER TABLE rate_limit.overrides NO FORCE ROW LEVEL SECURITY');
    const program = Program.start('rate-limit', settings());
    const { code } = await program.ended;
    await administrator.query('ALTER TABLE rate_limit.overrides FORCE ROW LEVEL SECURITY');
    expect(code).toBe(1);
    expect(program.output).toContain('row-level security is not forced on rate_limit.overrides');
    expect(program.output).toContain(
      'ALTER TABLE rate_limit.overrides ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY',
    );
  }, 60_000);

  it('finds records that no service handles, and dead letters', async () => {
    const broker = createBroker({ brokers: kafka.innerBrokers, clientId: 'spec', topicPrefix: TOPIC_PREFIX });
    const record = { key: 'k', value: Buffer.from('{}'), headers: {} };
    await broker.send([
      { ...record, topic: TOPICS.requests.name },
      { ...record, topic: DEAD_LETTERS.name },
    ]);
    await broker.close();
    const found = await examine();
    expect(complaints(found).sort()).toEqual(['dead-letters', 'groups']);
    const lines = found.lines
      .filter(({ status }) => status === 'warning')
      .map(({ text, cure = '' }) => `${text}: ${cure}`);
    expect(lines).toContain('1 records wait for the group rate-limit, which has no member: start rate-limit');
    expect(lines.join()).toMatch(
      /1 records could not be handled in the last 24 hours: npm run countersign -- dead-letters list/,
    );
    expect(found.exitCode).toBe(1);
  }, 60_000);
});

describe('countersign doctor, on the data folder of npm start', dataFolder);
