import 'reflect-metadata';
import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  bindingOf,
  CallStateAnswered,
  CallStateRequested,
  CommandAnswered,
  message,
  ReceiptIntrospected,
  ReceiptIntrospectionRequested,
  SubjectEraseRequested,
  TOPICS,
  VerificationAdmitted,
  VerificationDecided,
  VerificationRequested,
  type FieldsOf,
  type Message,
  type SealedIdentity,
} from '@countersign/contracts';
import {
  createBroker,
  HEADERS,
  withSignature,
  toRecord,
  type Broker,
  type ConsumedRecord,
} from '@countersign/messaging';
import {
  answerMac,
  callerDigest,
  digestOf,
  phoneDigest,
  createReceiptKeys,
  createReplyKey,
  createSealingKeys,
  receiptPublicKeysOf,
  ReceiptKeys,
  PayloadSealer,
  Secret,
} from '@countersign/crypto';
import {
  eventually,
  startKafka,
  startPostgres,
  TestAuthority,
  type KafkaCluster,
  type TestPostgres,
} from '@countersign/testing';
import { giveRights } from '../../libs/messaging/test/kafka-rights.js';
import { openWorld, PIN, WRONG, type World } from '../e2e/world.js';
import { SERVICES, startSeparate, type SeparateProduct, type ServiceName } from '../product.js';
import { documentedRights } from '../rights.js';

const TOPIC_PREFIX = 'attacked.';
/** The reply topic of forged commands, which the test can read and the attacker cannot. */
const OBSERVED = 'replies.rest-adapter.observed-00';
const never = (error: Error): void => {
  throw error;
};

describe('an attacker who forges messages on the bus', () => {
  let authority: TestAuthority;
  let kafka: KafkaCluster;
  let postgres: TestPostgres;
  let product: SeparateProduct;
  let world: World;
  let sealer: PayloadSealer;
  let receiptKeys: string;
  /** A process with only the rights of rate-limit on the bus. */
  let limiter: Broker;
  /** A client that may read and write everything on the bus, and has no keys. */
  let everybody: Broker;
  const passwords = new Map(SERVICES.map((service) => [service, randomBytes(12).toString('hex')]));
  const seen: ConsumedRecord[] = [];
  const answers: ConsumedRecord[] = [];

  beforeAll(async () => {
    authority = await TestAuthority.create();
    const users = Object.fromEntries(passwords);
    [kafka, postgres] = await Promise.all([
      startKafka({ security: { authority, users, authorize: true } }),
      startPostgres({ authority }),
    ]);
    await giveRights(kafka.innerBrokers, documentedRights(TOPIC_PREFIX));
    const sealing = await createSealingKeys('s1');
    receiptKeys = createReceiptKeys('r1');
    const envOf = (service: ServiceName): Record<string, string> => ({
      ...{ KAFKA_TLS: 'true', KAFKA_TLS_CA: authority.pem, KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512' },
      ...{ KAFKA_USERNAME: service, KAFKA_PASSWORD: passwords.get(service) ?? '', DATABASE_CA: authority.pem },
    });
    product = await startSeparate({
      servers: {
        ...{ brokers: kafka.brokers, topicPrefix: TOPIC_PREFIX, envOf },
        ...{ databaseUrl: postgres.url, databaseTls: { ca: authority.pem } },
      },
      env: {
        ...{ SEALING_PRIVATE_KEYS: sealing.privateKeys, SEALING_PUBLIC_KEYS: sealing.publicKeys },
        ...{ RECEIPT_KEYS: receiptKeys, RECEIPT_PUBLIC_KEYS: receiptPublicKeysOf(new Secret(receiptKeys)) },
        REPLY_TIMEOUT_MS: '3000',
      },
    });
    sealer = await PayloadSealer.fromKeySet(sealing.publicKeys);
    const password = new Secret(passwords.get('rate-limit') ?? '');
    limiter = createBroker({
      ...{ brokers: kafka.brokers, clientId: 'limiter', topicPrefix: TOPIC_PREFIX },
      security: {
        tls: { ca: authority.pem },
        login: { mechanism: 'SCRAM-SHA-512', username: 'rate-limit', password },
      },
    });
    everybody = createBroker({ brokers: kafka.innerBrokers, clientId: 'everybody', topicPrefix: TOPIC_PREFIX });
    await everybody.ensureTopics([{ name: OBSERVED, kind: 'command' }]);
    const read = async (broker: Broker, group: string, topic: string, into: ConsumedRecord[]): Promise<void> => {
      const options = { group, topics: [topic], onFatal: never };
      await (
        await broker.consume(options, (record) => Promise.resolve(void into.push(record)))
      ).ready;
    };
    await read(limiter, 'follow.countersign.directory.attacker', TOPICS.requests.name, seen);
    await read(everybody, 'observer', OBSERVED, answers);
    world = await openWorld(product);
  }, 240_000);
  afterAll(async () => {
    await Promise.all([limiter?.close(), everybody?.close()]);
    await product?.remove();
    await Promise.all([kafka?.close(), postgres?.close()]);
  }, 90_000);

  describe('with the rights of rate-limit', () => {
    let callId: string;
    let phone: string;
    let victim: FieldsOf<VerificationRequested>;

    /** The command of a verified caller, as the limiter reads it. */
    beforeAll(async () => {
      ({ phone } = await world.enrol());
      callId = randomUUID();
      const { text } = await world.client.swaig(world.agent, { pin: PIN, caller: phone, callId });
      expect(text).toContain('"verified":true');
      const requested = (): ConsumedRecord | undefined => seen.find(({ value }) => value.includes(callId));
      const record = await eventually('the limiter has read the command', requested, 20_000);
      victim = JSON.parse(record.value.toString()) as FieldsOf<VerificationRequested>;
    }, 60_000);

    /** Repeats the command with a changed part. @returns the answer of verification */
    const repeat = async (change: object, replyTo = OBSERVED): Promise<Record<string, unknown>> => {
      const correlationId = randomUUID();
      await limiter.send([
        toRecord({
          message: message(VerificationAdmitted, { ...victim, ...change }),
          headers: {
            ...{ [HEADERS.replyTo]: replyTo, [HEADERS.correlationId]: correlationId },
            [HEADERS.deadline]: String(Date.now() + 60_000),
          },
        }),
      ]);
      if (replyTo !== OBSERVED) return {};
      const mine = ({ headers }: ConsumedRecord): boolean => headers[HEADERS.correlationId] === correlationId;
      const answer = await eventually('the forged command is answered', () => answers.find(mine), 20_000);
      return JSON.parse(answer.value.toString()) as Record<string, unknown>;
    };
    const ownSeal = (payload: Record<string, unknown>): Promise<string> =>
      sealer.seal(payload, bindingOf(VerificationRequested, victim));

    it('gets neither the stored success nor a receipt for a verified command with another sealed payload', async () => {
      const { commandId } = victim;
      const refused = { commandId, outcome: 'unavailable', level: 'none' };
      const submitted = { pin: WRONG, replyKey: createReplyKey() };
      expect(await repeat({ sealed: await ownSeal(submitted) })).toEqual(refused);
      // The command id is derived from the sealed payload, so no other command can be sent under it.
      const { tenant } = victim;
      const identity = (of: string): SealedIdentity => ({
        command: digestOf('command', commandId),
        subject: phoneDigest(tenant, of),
        caller: callerDigest(tenant, 'phone', of),
      });
      expect(await repeat({ sealed: await ownSeal({ ...submitted, identity: identity(phone) }) })).toEqual(refused);
      // Without a key of IDENTIFIER_KEY an attacker cannot make the service look up another number.
      const { phone: other } = await world.enrol();
      expect(await repeat({ sealed: await ownSeal({ ...submitted, identity: identity(other) }) })).toEqual(refused);
    }, 60_000);

    it.each([
      { agent: 'another' },
      { callId: 'another-call' },
      { channel: 'rest' },
      { callerKey: 'c'.repeat(64) },
      { callerTail: '00' },
      { repeatSeconds: 600 },
      { subjectKind: 'id', subjectRef: 'another' },
    ])(
      'gets no answer for a verified command with %j beside its sealed payload',
      async (change) => {
        const { commandId } = victim;
        expect(await repeat(change)).toEqual({ commandId, outcome: 'unavailable', level: 'none' });
      },
      60_000,
    );

    it('gets no answer for a command with a reply address that the attacker can read', async () => {
      await repeat({}, TOPICS.limitCommands.name);
      // The same key, so it is answered after the previous command.
      expect(await repeat({})).toMatchObject({ outcome: 'verified' });
      const found: (string | undefined)[] = [];
      const follower = await everybody.follow(
        TOPICS.limitCommands.name,
        ({ headers }) => found.push(headers[HEADERS.type]),
        never,
      );
      await follower.caughtUp;
      await follower.close();
      expect(found).not.toContain(VerificationDecided.type);
    }, 60_000);
  });

  describe('by replying in place of verification', () => {
    const stranger = ReceiptKeys.fromKeySet(new Secret(createReceiptKeys('r1')));
    let sign: ((text: string) => string) | undefined;
    const types: (string | undefined)[] = [];
    let outcome: VerificationDecided['outcome'] = 'locked';

    const forge = (type: string | undefined, fields: Record<string, unknown>): [Message, Message] | undefined => {
      const commandId = String(fields['commandId']);
      switch (type) {
        case CallStateRequested.type:
          return [
            message(CallStateRequested, fields as never),
            message(CallStateAnswered, { verified: true, level: 'verified', subject: 'mallory' }),
          ];
        case ReceiptIntrospectionRequested.type:
          return [
            message(ReceiptIntrospectionRequested, fields as never),
            message(ReceiptIntrospected, { commandId, active: true, claims: { sub: 'mallory' } }),
          ];
        case SubjectEraseRequested.type:
          return [
            message(SubjectEraseRequested, fields as never),
            message(CommandAnswered, { commandId, answer: 'updated' }),
          ];
        case VerificationRequested.type:
          return [
            message(VerificationRequested, fields as never),
            message(VerificationDecided, { commandId, outcome, level: 'none', verificationId: randomUUID() }),
          ];
        default:
          return undefined;
      }
    };

    beforeAll(async () => {
      await product.kill('verification');
      const topics = [TOPICS.queries.name, TOPICS.requests.name, TOPICS.subjectCommands.name];
      const forger = await everybody.consume({ group: 'forger', topics, onFatal: never }, async (record) => {
        const { headers, value } = record;
        types.push(headers[HEADERS.type]);
        const forged = forge(headers[HEADERS.type], JSON.parse(value.toString()) as Record<string, unknown>);
        if (!forged) return;
        const [question, answer] = forged;
        const correlation = { [HEADERS.correlationId]: headers[HEADERS.correlationId] ?? '' };
        const reply = toRecord({ message: answer, topic: headers[HEADERS.replyTo] ?? OBSERVED, headers: correlation });
        await everybody.send([sign ? withSignature(question, reply, sign) : reply]);
      });
      await forger.ready;
    }, 60_000);

    it.each([
      ['without a signature', () => undefined],
      ["signed by the attacker's own key", () => (text: string) => stranger.signAnswer(text)],
    ])(
      'makes no call verified and no receipt active, and confirms no erasure, with a reply %s',
      async (_, signer) => {
        sign = signer();
        const { client, agent, tenant } = world;
        const callId = randomUUID();
        const before = types.length;
        const [call, receipt, erased] = await Promise.all([
          client.agentRequest(agent, 'GET', `/v1/calls/${callId}/verification`),
          client.agentRequest(agent, 'POST', '/v1/receipts/introspect', { receipt: 'eyJhbGciOiJFZERTQSJ9.e30.c2ln' }),
          client.manage('DELETE', `/v1/tenants/${tenant}/subjects/alice`, undefined, [204, 503]),
        ]);
        expect([call.status, receipt.status, erased.status]).toEqual([503, 503, 503]);
        expect([call, receipt].map(({ text }) => text).join()).not.toContain('mallory');
        const asked = [CallStateRequested.type, ReceiptIntrospectionRequested.type, SubjectEraseRequested.type];
        expect(types.slice(before)).toEqual(expect.arrayContaining(asked));
      },
      60_000,
    );

    it.each([
      ['verified', 'a MAC under a key of the attacker', answerMac(createReplyKey())],
      ['rejected', "the attacker's signature", (text: string) => stranger.signAnswer(text)],
      ['locked', 'a MAC under a key of the attacker', answerMac(createReplyKey())],
      ['disabled', 'no proof', undefined],
    ] as const)(
      'delivers no decision with the outcome %s and %s to a caller',
      async (forged, _, signer) => {
        outcome = forged;
        sign = signer;
        const { response, action } = (await world.client.swaig(world.agent, { pin: PIN })).json;
        expect(action).toBeUndefined();
        expect(response).toEqual(expect.stringContaining('right now'));
      },
      60_000,
    );

    it('cannot change the published keys of receipts, which come from the settings', async () => {
      const before = types.length;
      const { json, status } = await world.client.request(`${product.restUrls()[0]}/.well-known/jwks.json`, {});
      expect([status, json]).toEqual([200, JSON.parse(receiptPublicKeysOf(new Secret(receiptKeys)))]);
      expect(types.slice(before)).not.toContain('receipt-keys.requested.v1');
    });
  });
});
