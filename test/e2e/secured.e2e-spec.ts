import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TOPICS } from '@countersign/contracts';
import { createBroker } from '@countersign/messaging';
import { Secret } from '@countersign/crypto';
import { startKafka, startPostgres, TestAuthority, type KafkaCluster, type TestPostgres } from '@countersign/testing';
import { giveRights } from '../../libs/messaging/test/kafka-rights.js';
import { SERVICES, startSeparate, type SeparateProduct, type ServiceName } from '../product.js';
import { Program } from '../program.js';
import { documentedRights } from '../rights.js';
import { openWorld, PIN, WRONG } from './world.js';

const TOPIC_PREFIX = 'secured.';
const REFUSED_WITHIN_MS = 20_000;

describe('the product over a Kafka and a PostgreSQL that require TLS, where each service has its own user', () => {
  let authority: TestAuthority;
  let kafka: KafkaCluster;
  let postgres: TestPostgres;
  let product: SeparateProduct;
  const passwords = new Map(SERVICES.map((service) => [service, `canary-${randomBytes(12).toString('hex')}`]));

  /** The mechanisms of the first two services; the others use the recommended one. */
  const mechanisms: Partial<Record<ServiceName, string>> = { directory: 'PLAIN', verification: 'SCRAM-SHA-256' };
  const envOf = (service: ServiceName): Record<string, string> => ({
    KAFKA_TLS: 'true',
    KAFKA_TLS_CA: authority.pem,
    KAFKA_SASL_MECHANISM: mechanisms[service] ?? 'SCRAM-SHA-512',
    KAFKA_USERNAME: service,
    KAFKA_PASSWORD: passwords.get(service) ?? '',
    DATABASE_CA: authority.pem,
  });

  beforeAll(async () => {
    authority = await TestAuthority.create();
    const users = Object.fromEntries(passwords);
    [kafka, postgres] = await Promise.all([
      startKafka({ security: { authority, users, authorize: true } }),
      startPostgres({ authority }),
    ]);
    await giveRights(kafka.innerBrokers, documentedRights(TOPIC_PREFIX));
    product = await startSeparate({
      servers: {
        ...{ brokers: kafka.brokers, topicPrefix: TOPIC_PREFIX, envOf },
        ...{ databaseUrl: postgres.url, databaseTls: { ca: authority.pem } },
      },
    });
  }, 240_000);
  afterAll(async () => {
    await product?.remove();
    await Promise.all([kafka?.close(), postgres?.close()]);
  }, 90_000);

  it('verifies a PIN over the telephone and over REST, and rejects a wrong one', async () => {
    const { client, agent, enrol } = await openWorld(product);
    const { phone, subject } = await enrol();
    const spoken = await client.swaig(agent, { pin: PIN, caller: phone });
    expect(JSON.stringify(spoken.json)).toContain('"verified":true');
    expect((await client.verify(agent, { subject, pin: PIN })).json).toMatchObject({ outcome: 'verified' });
    expect((await client.verify(agent, { subject, pin: WRONG })).json).toMatchObject({
      outcome: 'rejected',
    });
  }, 60_000);

  it('lets a compromised adapter neither reply for other services, bypass the limiter, nor publish an agent', async () => {
    const forging = [
      TOPICS.admissions.name,
      TOPICS.directory.name,
      TOPICS.limitCommands.name,
      'replies.rest-adapter.x-00',
    ];
    const password = new Secret(passwords.get('swaig-adapter') ?? '');
    await Promise.all(
      forging.map(async (topic) => {
        const broker = createBroker({
          ...{ brokers: kafka.brokers, clientId: 'forger', topicPrefix: TOPIC_PREFIX },
          security: {
            tls: { ca: authority.pem },
            login: { mechanism: 'SCRAM-SHA-512', username: 'swaig-adapter', password },
          },
        });
        const sending = broker.send([{ topic, key: 'k', value: Buffer.from('{}'), headers: {} }]);
        await expect(sending).rejects.toMatchObject({ message: expect.stringContaining('lacks a right') });
        await broker.close();
      }),
    );
  }, 60_000);

  it('ends a start with a wrong password at once, and names the settings to check', async () => {
    const wrong = { ...envOf('directory'), KAFKA_PASSWORD: 'canary-wrong-73918264' };
    const program = Program.start('directory', {
      ...{ OPS_PORT: '0', KAFKA_BROKERS: kafka.brokers.join(','), TOPIC_PREFIX, DATABASE_URL: postgres.url },
      ...wrong,
    });
    const limit = setTimeout(() => program.signal('SIGKILL'), REFUSED_WITHIN_MS);
    const { code, signal } = await program.ended.finally(() => clearTimeout(limit));
    expect({ code, signal }).toEqual({ code: 1, signal: null });
    expect(program.output).toContain('KAFKA_USERNAME, KAFKA_PASSWORD');
    expect(program.output).not.toContain('canary');
    expect(program.output).not.toContain('waiting for it');
  }, 60_000);

  it('prints no password, and no text that begins like a key', () => {
    expect(product.logs()).not.toContain('canary-');
    expect(product.logs()).not.toContain('PRIVATE KEY');
  });
});
