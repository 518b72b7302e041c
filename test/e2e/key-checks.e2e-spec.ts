import { mkdtempSync, rmSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { ensureSecretFiles } from '@countersign/installation';
import { type HostedService } from '@countersign/hosting';
import { MemoryBroker } from '@countersign/messaging';
import { createReceiptKeys, createSealingKeys, receiptPublicKeysOf, Secret } from '@countersign/crypto';
import { createTestDatabase, eventually } from '@countersign/testing';
import { start as startRateLimit } from '../../apps/rate-limit/src/start.js';
import { start as startRest } from '../../apps/rest-adapter/src/start.js';
import { start as startSwaig } from '../../apps/swaig-adapter/src/start.js';
import { start as startVerification } from '../../apps/verification/src/start.js';

jest.setTimeout(120_000);

type Values = Record<string, string>;
type Start = typeof startVerification;

const folder = mkdtempSync(join(tmpdir(), 'countersign-key-checks-'));
const { values: secrets } = await ensureSecretFiles(folder);
const newKey = (): string => randomBytes(32).toString('base64url');
const fatalErrors: Error[] = [];

let url: string;
let drop: () => Promise<void>;
let broker: MemoryBroker;
const running: HostedService[] = [];

beforeEach(async () => {
  ({ url, drop } = await createTestDatabase());
  broker = new MemoryBroker();
  fatalErrors.length = 0;
});

afterEach(async () => {
  for (const service of running.splice(0).reverse()) await service.close();
  await broker.close();
  await drop();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Starts a service with the installation's secrets, some of them replaced. */
async function run(start: Start, replaced: Values = {}): Promise<HostedService> {
  const ports = { SWAIG_PORT: '0', REST_PORT: '0', AUDIT_PORT: '0', OPS_PORT: '0' };
  const env = { ...secrets, ...ports, DATABASE_URL: url, LOG_LEVEL: 'silent', ...replaced };
  const service = await start(env, (error) => void fatalErrors.push(error), { broker });
  running.push(service);
  return service;
}

async function stop(service: HostedService): Promise<void> {
  running.splice(running.indexOf(service), 1);
  await service.close();
}

/** The message of a start that must fail like one with a wrong setting. */
async function refusal(start: Start, replaced: Values): Promise<string> {
  const fault: unknown = await run(start, replaced).catch((error: unknown) => error);
  expect(fault).toMatchObject({ code: 'SETTINGS_INVALID', retriable: false });
  const { message } = fault as Error;
  for (const value of Object.values(replaced)) expect(message).not.toContain(value);
  return message;
}

describe('a service with tables', () => {
  it.each<[string, string, Start, () => Promise<string>]>([
    ['verification', 'IDENTIFIER_KEY', startVerification, () => Promise.resolve(newKey())],
    ['rate-limit', 'IDENTIFIER_KEY', startRateLimit, () => Promise.resolve(newKey())],
    ['verification', 'CREDENTIAL_KEYS', startVerification, () => Promise.resolve(`k1:${newKey()}`)],
    [
      'verification',
      'SEALING_PRIVATE_KEYS',
      startVerification,
      async () => (await createSealingKeys('s1')).privateKeys,
    ],
    ['verification', 'RECEIPT_KEYS', startVerification, () => Promise.resolve(createReceiptKeys('r1'))],
  ])('%s refuses to start when its %s was replaced', async (_service, setting, start, make) => {
    await stop(await run(start));
    const message = await refusal(start, { [setting]: await make() });
    expect(message).toContain(`${setting} must hold the key`);
    expect(message).toContain('restore it from the backup');
    await stop(await run(start));
  });

  it.each<[string, Start]>([
    ['verification', startVerification],
    ['rate-limit', startRateLimit],
  ])(
    '%s accepts a new IDENTIFIER_KEY beside the recorded one in any order, and refuses to start without the recorded one',
    async (_, start) => {
      const old = secrets.IDENTIFIER_KEY;
      const [anew, unknown] = [newKey(), newKey()];
      await stop(await run(start));
      expect(await refusal(start, { IDENTIFIER_KEY: `${unknown},${anew}` })).toContain('restore it from the backup');
      for (const keys of [`${anew},${old}`, `${old},${anew}`]) await stop(await run(start, { IDENTIFIER_KEY: keys }));
      // Removed before keys rekey: the message differs from that for a lost key.
      for (const keys of [anew, `${unknown},${anew}`]) {
        const message = await refusal(start, { IDENTIFIER_KEY: keys });
        expect(message).toMatch(
          /IDENTIFIER_KEY must still hold the key [0-9a-f]{16} in addition: countersign keys rekey/,
        );
      }
      await stop(await run(start));
    },
  );

  it('lets one of two keys win when two copies start for the first time with different ones', async () => {
    const results = await Promise.allSettled(
      [newKey(), newKey()].map((key) => run(startVerification, { IDENTIFIER_KEY: key })),
    );
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });
});

describe('an adapter', () => {
  it.each<[string, Start]>([
    ['swaig-adapter', startSwaig],
    ['rest-adapter', startRest],
  ])('%s refuses to start with keys that do not fit the verification service', async (_name, start) => {
    await run(startVerification);
    const { publicKeys } = await createSealingKeys('s1');
    expect(await refusal(start, { SEALING_PUBLIC_KEYS: publicKeys })).toContain('SEALING_PUBLIC_KEYS must begin with');
    expect(await refusal(start, { IDENTIFIER_KEY: newKey() })).toContain('IDENTIFIER_KEY must hold every key');
    const others = receiptPublicKeysOf(new Secret(createReceiptKeys('r1')));
    expect(await refusal(start, { RECEIPT_PUBLIC_KEYS: others })).toContain('RECEIPT_PUBLIC_KEYS must hold');
    const service = await run(start);
    expect(service.health.report().checks).toMatchObject({ keys: true });
  });

  it('refuses to start without the IDENTIFIER_KEY that must be held, and with it in any order', async () => {
    const old = secrets.IDENTIFIER_KEY;
    const anew = newKey();
    await stop(await run(startVerification));
    await run(startVerification, { IDENTIFIER_KEY: `${old},${anew}` });
    expect(await refusal(startRest, { IDENTIFIER_KEY: anew })).toContain('IDENTIFIER_KEY must hold every key');
    await run(startRest, { IDENTIFIER_KEY: `${old},${anew}` });
    await run(startSwaig, { IDENTIFIER_KEY: `${anew},${old}` });
  });

  it('refuses to start with another CAPTURE_TOKEN_KEY than the other copies, and can rotate it', async () => {
    await run(startVerification);
    await run(startSwaig);
    const anew = newKey();
    const old = secrets.CAPTURE_TOKEN_KEY;
    expect(await refusal(startSwaig, { CAPTURE_TOKEN_KEY: anew })).toContain('CAPTURE_TOKEN_KEY must hold the key');
    await run(startSwaig, { CAPTURE_TOKEN_KEY: `${old},${anew}` });
    await run(startSwaig, { CAPTURE_TOKEN_KEY: `${anew},${old}` });
    await run(startSwaig, { CAPTURE_TOKEN_KEY: anew });
    expect(await refusal(startSwaig, { CAPTURE_TOKEN_KEY: old })).toContain('CAPTURE_TOKEN_KEY must hold the key');
  });

  it('that started first is not ready after verification starts with other sealing keys, and its metric names the setting', async () => {
    const rest = await run(startRest);
    expect(rest.health.report()).toMatchObject({ status: 'ok' });
    const { privateKeys } = await createSealingKeys('s1');
    await run(startVerification, { SEALING_PRIVATE_KEYS: privateKeys });
    await eventually('the adapter is not ready', () => rest.health.report().status === 'unavailable', 20_000);
    expect(rest.health.report().checks).toMatchObject({ keys: false });
    const metrics = await (await fetch(`${rest.urls['ops']}/metrics`)).text();
    expect(metrics).toMatch(/countersign_keys_mismatched\{service="rest-adapter",setting="SEALING_PUBLIC_KEYS"\} 1/);
    expect(fatalErrors).toEqual([]);
  });

  it('that started first is not ready after verification signs with a key that it does not know', async () => {
    const rest = await run(startRest);
    await run(startVerification, { RECEIPT_KEYS: createReceiptKeys('r2') });
    await eventually('the adapter is not ready', () => rest.health.report().status === 'unavailable', 20_000);
    const metrics = await (await fetch(`${rest.urls['ops']}/metrics`)).text();
    expect(metrics).toMatch(/countersign_keys_mismatched\{service="rest-adapter",setting="RECEIPT_PUBLIC_KEYS"\} 1/);
    expect(fatalErrors).toEqual([]);
  });

  it('that started first ends after verification starts with another IDENTIFIER_KEY', async () => {
    await run(startSwaig);
    await run(startVerification, { IDENTIFIER_KEY: newKey() });
    await eventually('the adapter ends', () => fatalErrors.length === 1, 20_000);
    expect(fatalErrors[0]?.message).toContain('IDENTIFIER_KEY must hold every key');
  });
});
