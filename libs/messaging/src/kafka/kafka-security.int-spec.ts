import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { DEAD_LETTERS, message } from '@countersign/contracts';
import { Secret } from '@countersign/crypto';
import { type KafkaCluster, startKafka, TestAuthority } from '@countersign/testing';
import { jest } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { BusClient } from '../request-reply/bus-client.js';
import {
  TestReply,
  TestRequest,
  testRequest,
  COMMANDS,
  moduleOf,
  throwFatal,
  record,
  textOf,
  until,
  UNSIGNED_REPLIES,
} from '../../test/contract-world.js';
import { createBusApp } from '../request-reply/create-bus-app.js';
import { type BusContext, type Outgoing, replyTo } from '../envelope/envelope.js';
import { KafkaBroker } from './kafka-broker.js';
import { SASL_MECHANISMS, type KafkaSecurity, type SaslMechanism } from './kafka-login.js';

jest.setTimeout(90_000);

const FACTS = { name: 'test.facts', kind: 'fact' } as const;
const PASSWORD = 'canary-right-73918264';
const WRONG = 'canary-wrong-50628173';
/** Far less than a start waits for a broker. */
const AT_ONCE_MS = 5_000;

@Controller()
class Echo {
  @MessagePattern(TestRequest.type)
  take(@Payload() request: TestRequest, @Ctx() context: BusContext): Outgoing | undefined {
    return replyTo(context, message(TestReply, { number: request.number }));
  }
}

describe('KafkaBroker on brokers that demand TLS and a password', () => {
  let authority: TestAuthority;
  let cluster: KafkaCluster;
  let opened: KafkaBroker[] = [];
  let lines: string[] = [];

  beforeAll(async () => {
    authority = await TestAuthority.create();
    cluster = await startKafka({ security: { authority, users: { adapter: PASSWORD } } });
  });
  afterAll(() => cluster.close());
  afterEach(async () => {
    await Promise.all(opened.map((broker) => broker.close()));
    expect(lines.join('\n')).not.toContain('canary');
    opened = [];
    lines = [];
  });

  const broker = (security: KafkaSecurity, brokers = cluster.brokers, topicPrefix = 'secured.'): KafkaBroker => {
    const log = (line: string): void => void lines.push(line);
    const made = new KafkaBroker({ brokers, clientId: 'secured', topicPrefix, security, log });
    opened.push(made);
    return made;
  };
  const login = (mechanism: SaslMechanism = 'SCRAM-SHA-512', password = PASSWORD): KafkaSecurity['login'] & object => ({
    mechanism,
    username: 'adapter',
    password: new Secret(password),
  });
  const tls = (): KafkaSecurity['tls'] & object => ({ ca: authority.pem });

  /** The error of a start: not retriable, at once, and without the password. */
  const refused = async (security: KafkaSecurity, brokers?: readonly string[]): Promise<{ message: string }> => {
    const began = Date.now();
    const error = await broker(security, brokers)
      .ensureTopics([FACTS])
      .then(
        () => Promise.reject(new Error('the start succeeded')),
        (fault: unknown) => fault as Error,
      );
    expect(error).toMatchObject({ code: 'BROKER_UNAVAILABLE', retriable: false });
    expect(Date.now() - began).toBeLessThan(AT_ONCE_MS);
    expect(`${error.message} ${inspect(error, { depth: 10, showHidden: true })}`).not.toContain('canary');
    return error;
  };

  it.each(SASL_MECHANISMS)('sends, consumes and requests with %s', async (mechanism) => {
    const security = { tls: tls(), login: login(mechanism) };
    const prefix = `t${randomBytes(6).toString('hex')}.`;
    const [serverBroker, clientBroker] = [broker(security, undefined, prefix), broker(security, undefined, prefix)];
    await serverBroker.ensureTopics([COMMANDS, FACTS, DEAD_LETTERS]);
    const app = await createBusApp(moduleOf(Echo), {
      ...{ broker: serverBroker, group: 'echo', messages: [TestRequest], onFatal: throwFatal },
    });
    await app.listen();
    const client = await BusClient.open({
      broker: clientBroker,
      owner: 'secured',
      proof: UNSIGNED_REPLIES,
      onFatal: throwFatal,
    });
    expect(await client.request(testRequest('subject', 7), TestReply, 20_000)).toMatchObject({ number: 7 });
    const seen: string[] = [];
    await serverBroker.consume({ group: 'facts', topics: [FACTS.name], onFatal: throwFatal }, (read) =>
      Promise.resolve(void seen.push(textOf(read))),
    );
    await clientBroker.send([record(FACTS, 'k', 'fact')]);
    await until(() => seen.includes('fact'), 'the fact');
    await client.close();
    await app.close();
  });

  it('fails a start at once on a wrong password, and names the settings', async () => {
    for (const mechanism of SASL_MECHANISMS) {
      const { message } = await refused({ tls: tls(), login: login(mechanism, WRONG) });
      expect(message).toMatch(/KAFKA_USERNAME, KAFKA_PASSWORD/);
    }
  });

  it('fails a start at once on broker certificates of another authority', async () => {
    const other = await TestAuthority.create();
    for (const wrong of [{ ca: other.pem }, {}]) {
      const { message } = await refused({ tls: wrong, login: login() });
      expect(message).toContain('KAFKA_TLS_CA');
    }
  });

  it('fails a start at once on a certificate for another host', async () => {
    const named = cluster.brokers.map((address) => address.replace('127.0.0.1', 'localhost'));
    const { message } = await refused({ tls: tls(), login: login() }, named);
    expect(message).toContain('KAFKA_BROKERS');
  });

  it('names the settings to check within seconds, as retriable, whichever of them does not match', async () => {
    const wrong = {
      'without TLS': broker({}),
      'without a password': broker({ tls: tls() }),
      'with TLS to a port without it': broker({ tls: tls(), login: login() }, cluster.innerBrokers),
      'with a password to a port without a login': broker({ login: login() }, cluster.innerBrokers),
    };
    const began = Date.now();
    // At the same time, because each waits until its limit. Brokers that start or stop close connections too, so it is
    // retriable.
    const starts = Object.entries(wrong).map(async ([how, started]) => {
      const fault: unknown = await started.ensureTopics([FACTS]).catch((error: unknown) => error);
      expect({ how, fault }).toMatchObject({
        how,
        fault: {
          ...{ code: 'BROKER_UNAVAILABLE', retriable: true },
          message: expect.stringContaining('KAFKA_SASL_MECHANISM') as string,
        },
      });
      expect(Date.now() - began).toBeLessThan(15_000);
    });
    const sending = broker({ tls: tls(), login: login('SCRAM-SHA-512', WRONG) }).send([record(FACTS, 'k', 'v')]);
    // The password of a running process may be wrong for a while.
    const send = expect(sending).rejects.toMatchObject({
      ...{ code: 'BROKER_UNAVAILABLE', retriable: true },
      message: expect.stringContaining('KAFKA_PASSWORD') as string,
    });
    await Promise.all([...starts, send]);
  });
});

describe('KafkaBroker on brokers that demand a certificate of clients', () => {
  let authority: TestAuthority;
  let cluster: KafkaCluster;
  beforeAll(async () => {
    authority = await TestAuthority.create();
    const users = { adapter: PASSWORD };
    cluster = await startKafka({ security: { authority, users, clientCertificates: true } });
  });
  afterAll(() => cluster.close());

  const ensure = async (signer: TestAuthority | undefined): Promise<void> => {
    const shown = await signer?.issue('adapter');
    const client = shown && { cert: shown.cert, key: new Secret(shown.key) };
    const broker = new KafkaBroker({
      brokers: cluster.brokers,
      clientId: 'secured',
      security: {
        tls: { ca: authority.pem, ...(client ? { client } : {}) },
        login: { mechanism: 'PLAIN', username: 'adapter', password: new Secret(PASSWORD) },
      },
    });
    await broker.ensureTopics([FACTS]).finally(() => broker.close());
  };

  it('connects with a certificate of the authority', () => ensure(authority));

  it('is refused without a certificate, and with one of another authority', async () => {
    const refused = [undefined, await TestAuthority.create()].map((signer) =>
      expect(ensure(signer)).rejects.toMatchObject({
        ...{ code: 'BROKER_UNAVAILABLE' },
        message: expect.stringContaining('KAFKA_TLS_CERT') as string,
      }),
    );
    await Promise.all(refused);
  });
});
