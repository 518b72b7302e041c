import { describe, expect, it } from '@jest/globals';
import { MemoryBroker } from '@countersign/messaging';
import { createReceiptKeys, createSealingKeys, receiptPublicKeysOf, Secret } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { eventually } from '@countersign/testing';
import { start } from './start.js';
import { AGENT_KEY, RestTestBed } from '../test/test-bed.js';

const { publicKeys, privateKeys } = await createSealingKeys('k1');
const receiptKeys = createReceiptKeys('r1');
const receiptPublicKeys = receiptPublicKeysOf(new Secret(receiptKeys));
const good = {
  REST_PORT: '0',
  OPS_PORT: '0',
  LOG_LEVEL: 'silent',
  ADMIN_API_KEY: 'a-key-of-twenty-four-or-more',
  IDENTIFIER_KEY: Buffer.alloc(32, 7).toString('base64url'),
  SEALING_PUBLIC_KEYS: publicKeys,
  RECEIPT_PUBLIC_KEYS: receiptPublicKeys,
};
const fatal = (error: Error): void => {
  throw error;
};

describe('start', () => {
  it.each([
    ['ADMIN_API_KEY', undefined],
    ['ADMIN_API_KEY', 'only-23-characters-long'],
    ['ADMIN_API_KEY', 'a key with spaces in it, long'],
    ['IDENTIFIER_KEY', undefined],
    ['IDENTIFIER_KEY', 'c2hvcnQtaWRlbnRpZmllcg'],
    ['SEALING_PUBLIC_KEYS', undefined],
    ['SEALING_PUBLIC_KEYS', '{"keys":[{"kty":"OKP","crv":"X25519","x":"canary-73918264"}]}'],
    ['SEALING_PUBLIC_KEYS', 'canary-73918264'],
    ['SEALING_PUBLIC_KEYS', privateKeys],
    ['RECEIPT_PUBLIC_KEYS', undefined],
    ['RECEIPT_PUBLIC_KEYS', 'canary-73918264'],
    ['RECEIPT_PUBLIC_KEYS', publicKeys],
    ['RECEIPT_PUBLIC_KEYS', receiptKeys],
    ['REST_PORT', '70000'],
    ['REPLY_TIMEOUT_MS', 'soon'],
  ])('stops with the name of %s and without its value (%#)', async (name, value) => {
    const broker = new MemoryBroker();
    const failure = await start({ ...good, [name]: value }, fatal, { broker, ops: false }).catch(
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(ServiceError);
    const { code, message } = failure as ServiceError;
    expect(code).toBe('SETTINGS_INVALID');
    expect(message).toContain(name);
    if (value !== undefined && value.length > 9) expect(message).not.toContain(value);
    await broker.close();
  });

  it('stops without KAFKA_BROKERS, because a single service needs Kafka', async () => {
    await expect(start(good, fatal)).rejects.toThrow(/KAFKA_BROKERS/);
  });

  it('closes everything when its port is taken, and can be closed twice', async () => {
    const broker = new MemoryBroker();
    const first = await start(good, fatal, { broker });
    const { port } = new URL(first.urls['rest'] ?? '');
    await expect(start({ ...good, REST_PORT: port }, fatal, { broker })).rejects.toThrow();
    expect((await fetch(`${first.urls['ops']}/health/ready`)).status).toBe(200);
    await Promise.all([first.close(), first.close()]);
    await expect(fetch(`${first.urls['rest']}/health/live`)).rejects.toThrow();
    expect(broker.healthy()).toBe(true);
    await broker.close();
  });
});

describe('close', () => {
  it('completes the requests in flight and does not wait for the keep-alive of their connections', async () => {
    const bed = await RestTestBed.open({ REPLY_TIMEOUT_MS: '1000' });
    // There is no reply, so the request is in flight until its deadline.
    bed.decide = () => undefined;
    const inFlight = bed.call('POST', '/v1/verifications', {
      key: AGENT_KEY,
      body: { method: 'pin', subject: 'c-1', pin: '4217' },
    });
    await eventually('the command is published', () => bed.commands.length === 1);
    const closing = bed.adapter.close().then(() => Date.now());
    const answer = await inFlight;
    const answeredAt = Date.now();
    expect(answer).toMatchObject({ status: 200, body: { outcome: 'unavailable' } });
    // Node keeps an idle connection for 5 s, Fastify for 72 s.
    expect((await closing) - answeredAt).toBeLessThan(2000);
    await bed.broker.close();
  });
});
