import { randomBytes } from 'node:crypto';
import { MemoryBroker } from '@countersign/messaging';
import { createReceiptKeys, createSealingKeys, receiptPublicKeysOf, Secret } from '@countersign/crypto';
import { eventually } from '@countersign/testing';
import { start } from './start.js';
import { CANARY, SwaigTestBed } from '../test/test-bed.js';

const fail = (error: Error): void => {
  throw error;
};

describe('start', () => {
  const complete = async (): Promise<Record<string, string>> => ({
    SWAIG_PORT: '0',
    OPS_PORT: '0',
    LOG_LEVEL: 'silent',
    IDENTIFIER_KEY: randomBytes(32).toString('base64url'),
    CAPTURE_TOKEN_KEY: randomBytes(32).toString('base64url'),
    SEALING_PUBLIC_KEYS: (await createSealingKeys('k1')).publicKeys,
    RECEIPT_PUBLIC_KEYS: receiptPublicKeysOf(new Secret(createReceiptKeys('r1'))),
  });

  it.each<[string, string | undefined]>([
    ['SEALING_PUBLIC_KEYS', undefined],
    ['SEALING_PUBLIC_KEYS', `{"keys":[{"kty":"RSA","n":"${CANARY}"}]}`],
    ['SEALING_PUBLIC_KEYS', `{"${CANARY}`],
    ['RECEIPT_PUBLIC_KEYS', undefined],
    ['RECEIPT_PUBLIC_KEYS', `{"${CANARY}`],
    ['RECEIPT_PUBLIC_KEYS', `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"${CANARY}","kid":"r1"}]}`],
    ['IDENTIFIER_KEY', undefined],
    ['IDENTIFIER_KEY', CANARY],
    ['CAPTURE_TOKEN_KEY', undefined],
    ['CAPTURE_TOKEN_KEY', CANARY],
    ['PUBLIC_URL', `https://agent:${CANARY}@verify.example.com`],
    ['PUBLIC_URL', CANARY],
    ['SWAIG_PORT', '65536'],
    ['REPLY_TIMEOUT_MS', '0'],
    ['LOG_LEVEL', CANARY],
    ['KAFKA_BROKERS', CANARY],
  ])('names a wrong %s but not its value', async (name, value) => {
    const starting = start({ ...(await complete()), [name]: value }, fail, { broker: new MemoryBroker() });
    const error: unknown = await starting.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'SETTINGS_INVALID', message: expect.stringContaining(name) as string });
    expect((error as Error).message).not.toContain(CANARY);
  });

  it('refuses private keys, which only the verification service may have', async () => {
    const { privateKeys } = await createSealingKeys('k1');
    const env = { ...(await complete()), SEALING_PUBLIC_KEYS: privateKeys };
    await expect(start(env, fail, { broker: new MemoryBroker() })).rejects.toThrow(
      /SEALING_PUBLIC_KEYS .*public keys only/,
    );
    const signing = { ...(await complete()), RECEIPT_PUBLIC_KEYS: createReceiptKeys('r1') };
    await expect(start(signing, fail, { broker: new MemoryBroker() })).rejects.toThrow(
      /RECEIPT_PUBLIC_KEYS .*public keys only/,
    );
  });

  it('requires KAFKA_BROKERS if it gets no broker', async () => {
    await expect(start(await complete(), fail)).rejects.toMatchObject({
      code: 'SETTINGS_INVALID',
      message: expect.stringContaining('KAFKA_BROKERS') as string,
    });
  });

  it('releases its resources if its port is in use, so it can start again on another port', async () => {
    const broker = new MemoryBroker();
    const first = await start(await complete(), fail, { broker });
    const { port } = new URL(first.urls['swaig'] ?? '');
    await expect(start({ ...(await complete()), SWAIG_PORT: port }, fail, { broker })).rejects.toThrow();
    const second = await start(await complete(), fail, { broker });
    expect(second.urls).toEqual({ swaig: expect.any(String) as string, ops: expect.any(String) as string });
    const ready = await fetch(`${second.urls['ops']}/health/ready`);
    expect(await ready.json()).toMatchObject({ status: 'ok', services: { 'swaig-adapter': { status: 'ok' } } });
    await Promise.all([first.close(), second.close()]);
    await broker.close();
  });
});

describe('close', () => {
  it('completes the requests in flight, accepts no more, and can be called twice', async () => {
    const bed = await SwaigTestBed.open();
    let decided: () => void = () => undefined;
    bed.decide = async () => {
      await new Promise<void>((resolve) => (decided = resolve));
      return { outcome: 'rejected' };
    };
    const inFlight = bed.verify({ pin: '4217' });
    await eventually('the attempt is requested', () => bed.requests.length === 1);
    const closing = [bed.service.close(), bed.service.close()];
    await eventually('the port is closed', () =>
      bed.send({ authorization: undefined }).then(
        () => false,
        () => true,
      ),
    );
    decided();
    expect(await inFlight).toMatchObject({ status: 200, body: { action: [{ set_global_data: { verified: false } }] } });
    await Promise.all(closing);
    await bed.broker.close();
  });

  it('leaves open a broker that it did not create', async () => {
    const bed = await SwaigTestBed.open();
    await bed.service.close();
    expect(bed.broker.healthy()).toBe(true);
    await bed.broker.close();
  });
});

describe('without a broker', () => {
  it('the adapter answers with the text for unavailable and reports that it is not ready', async () => {
    const bed = await SwaigTestBed.open();
    await bed.broker.close();
    const received = await bed.verify({ pin: '4217' });
    expect(received).toMatchObject({ status: 200, body: { response: expect.stringMatching(/right now/) as string } });
    expect(received.body).not.toHaveProperty('action');
    const ready = await bed.send({ method: 'GET', path: '/health/ready', contentType: undefined });
    expect(ready).toMatchObject({ status: 503, body: { checks: { broker: false } } });
    await bed.close();
  });
});
