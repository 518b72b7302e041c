import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { runInNewContext } from 'node:vm';
import { applyPatch, parsePatch, reversePatch } from 'diff';
import fc from 'fast-check';

const load = createRequire(import.meta.url);
const patches = parsePatch(readFileSync('patches/kafkajs+2.2.4.patch', 'utf8'));

/** A module of kafkajs as it was before the patch. */
function original(name: string): unknown {
  const path = load.resolve(`kafkajs/src/${name}`);
  const patch = patches.find(({ newFileName }) => newFileName?.endsWith(`/kafkajs/src/${name}`) === true);
  if (patch === undefined) throw new Error(`the patch does not change ${name}`);
  const text = applyPatch(readFileSync(path, 'utf8'), reversePatch(patch));
  if (text === false) throw new Error(`${resolve(path)} does not hold the patch`);
  const module = { exports: undefined as unknown };
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- text of an installed package
  (new Function('require', 'module', text) as (require: NodeJS.Require, module: object) => void)(
    createRequire(path),
    module,
  );
  return module.exports;
}

type Header = Buffer | string | null;
interface PlainRecord {
  readonly offsetDelta?: number;
  readonly timestampDelta?: number;
  readonly key: Buffer | string | null;
  readonly value: Buffer | string | null;
  readonly headers: Readonly<Record<string, Header | readonly Header[]>>;
}
type Encode = (record: PlainRecord) => { readonly buffer: Buffer };
type Decode = (cursor: object, batch: object) => { readonly headers: Record<string, unknown> };

const Decoder = load('kafkajs/src/protocol/decoder.js') as new (buffer: Buffer) => {
  offset: number;
  readVarInt(): number;
};
const ENCODER = 'protocol/recordBatch/record/v0/index.js';
const DECODER = 'protocol/recordBatch/record/v0/decoder.js';

describe('records in the patched kafkajs', () => {
  const encode = load(`kafkajs/src/${ENCODER}`) as Encode;
  const decode = load(`kafkajs/src/${DECODER}`) as Decode;
  const originalEncode = original(ENCODER) as Encode;
  const originalDecode = original(DECODER) as Decode;
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)),
    fc.string({ maxLength: 200, unit: 'grapheme' }),
  );
  const record: fc.Arbitrary<PlainRecord> = fc.record({
    offsetDelta: fc.nat({ max: 1_000_000 }),
    timestampDelta: fc.integer({ min: -1_000_000, max: 100_000_000_000 }),
    key: fc.oneof(bytes, fc.constant(null)),
    value: fc.oneof(bytes, fc.constant(null)),
    headers: fc.dictionary(
      // The original takes a member that every object inherits for an earlier header.
      fc.string({ minLength: 1, maxLength: 20 }).filter((name) => !(name in Object.prototype)),
      fc.oneof(bytes, fc.array(bytes, { maxLength: 3 })),
      { maxKeys: 6 },
    ),
  });
  const batch = {
    firstOffset: '123456789012',
    firstTimestamp: '1764000000000',
    maxTimestamp: '1764000000999',
    magicByte: 2,
    isControlBatch: false,
    timestampType: 0,
  };
  /** The record without its length prefix. */
  const bodyOf = (encoded: Buffer): Buffer => {
    const decoder = new Decoder(encoded);
    decoder.readVarInt();
    return encoded.subarray(decoder.offset);
  };

  it('have the same bytes as before the patch', () => {
    fc.assert(
      fc.property(record, (one) => {
        expect(encode(one).buffer.equals(originalEncode(one).buffer)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('are decoded as before the patch, with producer time and with broker time', () => {
    fc.assert(
      fc.property(record, fc.boolean(), (one, byBroker) => {
        const body = bodyOf(originalEncode(one).buffer);
        const context = { ...batch, timestampType: byBroker ? 1 : 0 };
        expect(decode(new Decoder(body), context)).toEqual(originalDecode(new Decoder(body), context));
      }),
      { numRuns: 2_000 },
    );
  });

  it('cannot set the prototype of the headers by a header name, nor read a header from the prototype', () => {
    const odd = { ['__proto__']: 'x', constructor: 'c', type: 't' };
    const body = bodyOf(encode({ key: 'k', value: 'v', headers: odd }).buffer);
    const { headers } = decode(new Decoder(body), batch);
    expect(Object.getPrototypeOf(headers)).toBe(Object.prototype);
    expect([headers['constructor'], headers['type']]).toEqual([Buffer.from('c'), Buffer.from('t')]);
  });

  it('are decoded in linear time, so that 200,000 headers of one name cannot stop the consumer', () => {
    const values = Array.from({ length: 200_000 }, (_, n) => String(n));
    const body = bodyOf(encode({ key: 'k', value: 'v', headers: { name: values } }).buffer);
    let headers: Record<string, unknown> = {};
    const decodeBody = (): void => void ({ headers } = decode(new Decoder(body), batch));
    // Only ends a decoder that would run for minutes.
    runInNewContext('decodeBody()', { decodeBody }, { timeout: 20_000 });
    expect(String(headers['name'])).toBe(String(values));
  });

  it('are not decoded when they are truncated', () => {
    const body = bodyOf(encode({ key: 'key', value: 'value', headers: { type: 'some.type.v1' } }).buffer);
    for (let length = 0; length < body.length; length++) {
      expect(() => decode(new Decoder(body.subarray(0, length)), batch)).toThrow();
    }
  });
});

describe('the idle timer of the patched kafkajs', () => {
  it('is set only when requests are pending', () => {
    interface Queue {
      pending: unknown[];
      throttleCheckTimeoutId: NodeJS.Timeout | null;
      scheduleCheckPendingRequests(): void;
      destroy(): void;
    }
    const RequestQueue = load('kafkajs/src/network/requestQueue/index.js') as new (options: {
      logger: object;
    }) => Queue;
    const queue = new RequestQueue({ logger: {} });
    queue.scheduleCheckPendingRequests();
    expect(queue.throttleCheckTimeoutId).toBeFalsy();
    queue.pending.push({});
    queue.scheduleCheckPendingRequests();
    expect(queue.throttleCheckTimeoutId).toBeTruthy();
    queue.destroy();
  });
});

describe('a consumer of the patched kafkajs', () => {
  const lost = Object.assign(new Error('refused'), { name: 'KafkaJSConnectionError' });

  it('looks for the new coordinator when the connection to the old one is lost', async () => {
    const { prototype } = load('kafkajs/src/consumer/consumerGroup.js') as {
      prototype: { heartbeat(options: unknown): Promise<void> };
    };
    const symbols: symbol[] = [];
    const group = new Proxy(
      {},
      {
        get: (_, name) => {
          if (typeof name === 'symbol') symbols.push(name);
          return () => Promise.reject(lost);
        },
      },
    );
    await expect(prototype.heartbeat.call(group, { interval: 1 })).rejects.toMatchObject({
      type: 'NOT_COORDINATOR_FOR_GROUP',
    });
    expect(symbols).not.toEqual([]);
  });

  interface Runner {
    retrier: (attempt: () => Promise<unknown>) => Promise<unknown>;
    onCrash: (error: unknown) => Promise<void>;
  }
  const Runner = load('kafkajs/src/consumer/runner.js') as new (options: object) => Runner;
  const logger = { namespace: () => logger };
  const runner = (onCrash: (error: unknown) => Promise<void>): Runner =>
    new Runner({
      logger,
      consumerGroup: {},
      onCrash,
      retry: { retries: 2, initialRetryTime: 1, maxRetryTime: 1 },
    });

  it('keeps retrying after the retries of a connection are used up', async () => {
    const { retrier } = runner(() => Promise.resolve());
    const results: unknown[] = [
      Object.assign(new Error('exhausted', { cause: lost }), { retriable: false }),
      'connected',
    ];
    const connect = (): Promise<unknown> => {
      const result = results.shift();
      return result instanceof Error ? Promise.reject(result) : Promise.resolve(result);
    };
    await expect(retrier(connect)).resolves.toBe('connected');
  });

  it('does not retry after a permanent error', async () => {
    const { retrier } = runner(() => Promise.resolve());
    let attempts = 0;
    const refused = Object.assign(new Error('refused'), { retriable: false });
    const connect = (): Promise<unknown> => (attempts++, Promise.reject(refused));
    await expect(retrier(connect)).rejects.toMatchObject({ cause: refused });
    expect(attempts).toBe(1);
  });

  it.each([
    [
      'the group has no coordinator yet',
      Object.assign(new Error('none'), { name: 'KafkaJSGroupCoordinatorNotFound' }),
      true,
    ],
    ['a request was sent while its connection was being opened', new Error('Broker not connected'), true],
    [
      'a second connection attempt waited too long for the first',
      Object.assign(new Error('late'), { name: 'KafkaJSLockTimeout' }),
      true,
    ],
    ['the password is wrong', Object.assign(new Error('no'), { name: 'KafkaJSSASLAuthenticationError' }), undefined],
  ])('restarts after a crash only when a restart can help: %s', async (_, root, isRetriable) => {
    const crashes: unknown[] = [];
    const wrapped = new Error('outer', { cause: root });
    await runner((error) => Promise.resolve(void crashes.push(error))).onCrash(wrapped);
    expect(crashes).toEqual([wrapped]);
    expect((root as { retriable?: boolean }).retriable).toBe(isRetriable);
  });
});

describe('applying the patch of kafkajs', () => {
  let folder: string;
  const kafkajs = (): string => join(folder, 'node_modules', 'kafkajs');
  const apply = (): { status: number | null; stderr: string } =>
    spawnSync(process.execPath, ['tools/patch-packages.mjs', folder], { encoding: 'utf8' });
  const CHANGED = 'src/network/requestQueue/index.js';

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'countersign-patch-'));
    cpSync('patches', join(folder, 'patches'), { recursive: true });
    mkdirSync(join(folder, 'node_modules'));
    cpSync('node_modules/kafkajs', kafkajs(), { recursive: true });
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('patches an unpatched file, and changes nothing when it runs again', () => {
    const patched = readFileSync(join(kafkajs(), CHANGED), 'utf8');
    const patch = patches.find(({ newFileName }) => newFileName?.endsWith(CHANGED) === true);
    if (patch === undefined) throw new Error(`the patch does not change ${CHANGED}`);
    writeFileSync(join(kafkajs(), CHANGED), applyPatch(patched, reversePatch(patch)) || '');
    for (const _ of ['first run', 'second run']) {
      expect(apply().status).toBe(0);
      expect(readFileSync(join(kafkajs(), CHANGED), 'utf8')).toBe(patched);
    }
  });

  it('fails when another version is installed', () => {
    writeFileSync(join(kafkajs(), 'package.json'), '{"version":"2.2.5"}');
    expect(apply()).toMatchObject({ status: 1, stderr: expect.stringContaining('version 2.2.5') as string });
  });

  it('fails when the installed text is another one', () => {
    writeFileSync(join(kafkajs(), CHANGED), 'module.exports = {}\n');
    expect(apply()).toMatchObject({ status: 1, stderr: expect.stringContaining('does not fit') as string });
  });
});
