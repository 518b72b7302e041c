import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { formatVerifierKey, inclusionProof } from '@countersign/transparency-log';
import { checkpointOf, entriesOf, LogInMemory, SIGNER } from '../../test/log-in-memory.js';
import { logVerify, type LogVerifyOptions } from './log-verify.js';
import { keepCheckpoint, proveEvent } from './log-witness.js';

const SIZE = 1_000;
const entries = entriesOf(SIZE);
const logKey = formatVerifierKey(SIGNER.verifier);
const API_KEY = 'k'.repeat(40);
const env = { COUNTERSIGN_API_KEY: API_KEY };

let folder: string;
let log: LogInMemory;
let server: Server;
let url: string;
let requests: string[];
/** Sends another status than 200 or 404. */
let statusOf: (path: string) => number | undefined;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'log-commands-'));
  log = LogInMemory.of(entries);
  requests = [];
  statusOf = () => undefined;
  server = createServer((request, response) => {
    const path = (request.url ?? '').slice(1);
    requests.push(path);
    const needsKey = path.includes('entries') || path.startsWith('v1/');
    const isAllowed = !needsKey || request.headers.authorization === `Bearer ${API_KEY}`;
    const data = log.files.get(path);
    response.statusCode = statusOf(path) ?? (isAllowed ? (data === undefined ? 404 : 200) : 401);
    response.end(response.statusCode === 200 ? data : 'none');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const file = (name: string): string => join(folder, name);
async function run(command: (write: (text: string) => void) => Promise<number>): Promise<[number, string]> {
  let out = '';
  const code = await command((text) => void (out += `${text}\n`));
  return [code, out];
}
const verify = (options: LogVerifyOptions = { url }, eventFile?: string): Promise<[number, string]> =>
  run((write) => logVerify(env, eventFile, { logKey, ...options }, write));
const keep = (): Promise<[number, string]> =>
  run((write) => keepCheckpoint({}, file('witness'), { url, logKey }, write));
const prove = (id: string, event?: string): Promise<[number, string]> =>
  run((write) => proveEvent(env, id, { url, logKey, out: folder, ...(event !== undefined && { event }) }, write));

describe('countersign log verify', () => {
  it('verifies the log of an audit service, and ends with code 0', async () => {
    expect(await verify()).toEqual([0, expect.stringMatching(/^intact: 1000 entries, root .{44}, 1 checkpoint\n$/)]);
  });

  it('ends with code 1 and names the first damaged index, also as JSON', async () => {
    const data = log.files.get('tile/entries/001')!;
    data[data.indexOf('"event":"300"') + 10]! ^= 1;
    const text = expect.stringMatching(/^TAMPERED: changed at index 300, in tile\/entries\/001: /) as string;
    expect(await verify()).toEqual([1, text]);
    const [code, json] = await verify({ url, json: true });
    expect([code, JSON.parse(json)]).toMatchObject([
      1,
      { result: 'tampered', damage: { kind: 'changed', first: 300 } },
    ]);
  });

  it('ends with code 2 when the evidence cannot be had: no key, pruned, or no server', async () => {
    const [code, out] = await run((write) => logVerify({}, undefined, { url, logKey }, write));
    expect([code, out]).toEqual([2, expect.stringContaining('needs an API key with the scope audit')]);
    statusOf = (path) => (path === 'tile/entries/000' ? 410 : undefined);
    expect(await verify()).toEqual([2, expect.stringContaining('was pruned')]);
  });

  it('accepts what the service answers to be pruned, and what an export lacks, when an entry states it', async () => {
    const statement = JSON.stringify({
      metadata: { tenant_uid: '_installation' },
      unmapped: { kind: 'log.pruned', detail: { from: 0, to: 511 } },
    });
    const stating = entries.with(700, Buffer.from(statement));
    log = LogInMemory.of(stating);
    statusOf = (path) => (/^tile.entries.00[01]$/.test(path) ? 410 : undefined);
    expect(await verify()).toEqual([0, expect.stringContaining('; entries 0 to 511 pruned, as entry 700 states')]);
    // What was pruned after the verification had read the checkpoint.
    statusOf = (path) => (path === 'tile/entries/001' ? 410 : undefined);
    expect(await verify()).toEqual([2, expect.stringContaining('verify again')]);
    const exported = (lines: readonly Buffer[]): LogVerifyOptions => {
      writeFileSync(file('export.ndjson'), lines.map((line) => `${line.toString()}\n`).join(''));
      return { url, export: file('export.ndjson') };
    };
    const [code, out] = await verify(exported(stating.slice(512)));
    expect([code, out]).toEqual([0, expect.stringContaining('lacks 0 entries\nit states that the entries 0 to 511')]);
    const lacking = await verify(exported(stating.slice(514)));
    expect(lacking).toEqual([1, expect.stringContaining('missing indexes: 512 to 513\n')]);
  });

  it('repeats a request that the server could not answer', async () => {
    let failures = 1;
    statusOf = (path) => (path === 'tile/0/001' && failures-- > 0 ? 503 : undefined);
    expect((await verify())[0]).toBe(0);
    expect(requests.filter((path) => path === 'tile/0/001')).toHaveLength(2);
  });

  it('verifies exported files in a folder, with checkpoints that a witness kept', async () => {
    exportFiles();
    writeFileSync(file('witness'), [300, 700].map((size) => `${checkpointOf(entries.slice(0, size))}\n`).join(''));
    const options = { folder: file('log'), checkpoints: [file('witness')] };
    expect(await verify(options)).toEqual([0, expect.stringContaining('3 checkpoints, all consistent')]);
    appendFileSync(file('witness'), `${checkpointOf(entriesOf(800, 'other'))}\n`);
    expect(await verify(options)).toEqual([
      1,
      expect.stringMatching(/^TAMPERED: forked at an index from 700 to 799, in checkpoint 3 of .*witness: /),
    ]);
  });

  it('continues with the state of the last verification, and finds a log that was rolled back since', async () => {
    const state = file('state.json');
    expect((await verify({ url, state }))[0]).toBe(0);
    requests = [];
    log = LogInMemory.of([...entries, ...entriesOf(300, 'new')]);
    expect(await verify({ url, state })).toEqual([0, expect.stringContaining('intact: 1300 entries')]);
    expect(requests).not.toContain('tile/entries/000');
    log = LogInMemory.of(entries);
    expect(await verify({ url, state })).toEqual([1, expect.stringContaining('TAMPERED: rolled back at index 1000')]);
    await expect(verify({ url, state, hashesOnly: true })).rejects.toThrow('of another log, or');
    writeFileSync(state, '{}');
    await expect(verify({ url, state })).rejects.toThrow();
  });

  it('finds a rollback and a fork of the entries after the last full tile, which the state has only as size and root', async () => {
    const state = file('state.json');
    const grown = [...entries, ...entriesOf(300, 'new')];
    log = LogInMemory.of(grown);
    expect((await verify({ url, state }))[0]).toBe(0);
    const saved = readFileSync(state);
    log = LogInMemory.of(grown.slice(0, 1290));
    expect(await verify({ url, state })).toEqual([1, expect.stringContaining('TAMPERED: rolled back at index 1290')]);
    expect(readFileSync(state)).toEqual(saved);
    const forked = expect.stringMatching(
      /^TAMPERED: forked at an index from \d+ to 1299, in the state file: /,
    ) as string;
    for (const size of [1300, 1310]) {
      log = LogInMemory.of([...grown.slice(0, 1290), ...entriesOf(size - 1290, 'other')]);
      expect(await verify({ url, state })).toEqual([1, forked]);
    }
    log = LogInMemory.of([...grown, ...entriesOf(10)]);
    expect(await verify({ url, state })).toEqual([0, expect.stringContaining('intact: 1310 entries')]);
  });

  it('finds a rollback of a log with fewer entries than a tile has', async () => {
    const state = file('state.json');
    log = LogInMemory.of(entries.slice(0, 100));
    expect((await verify({ url, state }))[0]).toBe(0);
    expect((await verify({ url, state }))[0]).toBe(0);
    log = LogInMemory.of(entries.slice(0, 90));
    expect(await verify({ url, state })).toEqual([1, expect.stringContaining('TAMPERED: rolled back at index 90')]);
  });

  it('compares an export with the log: which indexes it lacks, and which lines are no entry', async () => {
    const lines = entries.map((entry) => entry.toString());
    const saved = (changed: readonly string[]): LogVerifyOptions => {
      writeFileSync(file('export.ndjson'), `${changed.join('\n')}\n`);
      return { url, export: file('export.ndjson') };
    };
    expect(await verify(saved(lines))).toEqual([0, expect.stringContaining('1000 lines and lacks 0 entries')]);
    const lacking = lines.filter((_, index) => index !== 7 && (index < 300 || index > 309));
    expect(await verify(saved(lacking))).toEqual([1, expect.stringContaining('missing indexes: 7, 300 to 309\n')]);
    expect((await verify({ ...saved(lacking), part: true }))[0]).toBe(0);
    const [code, out] = await verify(saved(lines.with(40, 'altered')));
    expect(code).toBe(1);
    expect(out).toContain('missing indexes: 40\n');
    expect(out).toContain('second copy: 41\n');
    expect(await verify(saved(lines.toSpliced(40, 0, lines[40]!)))).toEqual([
      1,
      expect.stringContaining('second copy: 42\n'),
    ]);
  });

  it('needs the public key of the log, and one place to read it', async () => {
    await expect(run((write) => logVerify({}, undefined, { url }, write))).rejects.toThrow('--log-key');
    await expect(verify({})).rejects.toThrow('--url');
    await expect(verify({ url, folder })).rejects.toThrow('--folder');
    await expect(verify({ url, logKey: `${logKey}x` })).rejects.toThrow('--log-key');
    writeFileSync(file('keys'), `${logKey}\n`);
    expect((await verify({ url, logKey: file('keys') }))[0]).toBe(0);
  });
});

describe('countersign log prove', () => {
  const eventOf = (uid: string): Buffer => Buffer.from(JSON.stringify({ metadata: { uid } }));
  const events = entries.with(300, eventOf('ev-1')).with(301, eventOf('ev-2'));

  beforeEach(() => {
    log = LogInMemory.of(events);
  });

  it('writes a receipt and the bytes of the event, which verify offline', async () => {
    await offerProof('ev-1', 300);
    const [code, out] = await prove('ev-1');
    expect([code, out]).toEqual([0, expect.stringContaining('is entry 300 of 1000')]);
    expect(readFileSync(file('ev-1.event'))).toEqual(events[300]);
    const receipt = file('ev-1.tlog-proof');
    expect(await verify({ receipt }, file('ev-1.event'))).toEqual([0, expect.stringContaining('is entry 300 of')]);
    appendFileSync(file('ev-1.event'), ' ');
    expect(await verify({ receipt }, file('ev-1.event'))).toEqual([1, expect.stringContaining('NOT PROVEN')]);
    await expect(verify({ receipt })).rejects.toThrow('the exact bytes of the event');
  });

  it('proves the bytes of the caller, and nothing when neither the caller nor the log has any', async () => {
    await offerProof('ev-1', 300, false);
    expect(await prove('ev-1')).toEqual([2, expect.stringContaining('use --event')]);
    expectNothingWritten();
    writeFileSync(file('own'), events[300]!);
    expect(await prove('ev-1', file('own'))).toEqual([0, expect.stringContaining('is entry 300 of 1000')]);
  });

  it('refuses a valid proof of another event, in place of one that was removed', async () => {
    await offerProof('ev-1', 301);
    expect(await prove('ev-1')).toEqual([1, expect.stringContaining('not those of the event ev-1')]);
    writeFileSync(file('own'), events[300]!);
    expect(await prove('ev-1', file('own'))).toEqual([1, expect.stringContaining('NOT PROVEN')]);
    await offerProof('ev-1', 400);
    expect(await prove('ev-1')).toEqual([1, expect.stringContaining('not those of the event ev-1')]);
    expectNothingWritten();
  });

  it('refuses bytes of the caller that differ from those in the log, though the log sends the right ones', async () => {
    await offerProof('ev-1', 300);
    writeFileSync(file('own'), `${events[300]!.toString()} `);
    expect(await prove('ev-1', file('own'))).toEqual([1, expect.stringContaining('does not lead to the root')]);
    writeFileSync(file('own'), events[301]!);
    expect(await prove('ev-1', file('own'))).toEqual([1, expect.stringContaining('not those of the event ev-1')]);
    expectNothingWritten();
  });

  it('writes nothing when the proof is of another event, or the checkpoint is not signed by the log', async () => {
    await offerProof('ev-1', 300);
    const answer = JSON.parse(log.files.get('v1/events/ev-1/proof')!.toString()) as Record<string, unknown>;
    const send = (changed: object): void =>
      void log.files.set('v1/events/ev-1/proof', Buffer.from(JSON.stringify({ ...answer, ...changed })));
    for (const changed of [
      { value: Buffer.from('{"metadata":{"uid":"ev-1"},"altered":1}').toString('base64') },
      { index: 301 },
      { hashes: [] },
      { checkpoint: String(answer['checkpoint']).replace('1000', '1001') },
    ]) {
      send(changed);
      expect(await prove('ev-1')).toEqual([1, expect.stringContaining('NOT PROVEN')]);
    }
    send({ index: 'x' });
    expect((await prove('ev-1'))[0]).toBe(2);
    expect((await prove('ev-2'))[0]).toBe(2);
    await expect(prove('../ev')).rejects.toThrow('letters, digits and hyphens');
    expectNothingWritten();
  });

  function expectNothingWritten(): void {
    expect(() => readFileSync(file('ev-1.tlog-proof'))).toThrow('ENOENT');
    expect(() => readFileSync(file('ev-1.event'))).toThrow('ENOENT');
  }

  async function offerProof(id: string, index: number, withValue = true): Promise<void> {
    const tiles = { readTile: async (tile: Parameters<LogInMemory['readTile']>[0]) => (await log.readTile(tile))! };
    const hashes = await inclusionProof(index, SIZE, tiles);
    const answer = {
      index,
      size: SIZE,
      hashes: hashes.map((hash) => hash.toString('base64')),
      checkpoint: log.checkpoint,
      ...(withValue && { value: events[index]!.toString('base64') }),
    };
    log.files.set(`v1/events/${id}/proof`, Buffer.from(JSON.stringify(answer)));
  }
});

describe('countersign log checkpoints', () => {
  it('appends each new checkpoint that continues the last one', async () => {
    log = LogInMemory.of(entries.slice(0, 300));
    expect(await keep()).toEqual([0, expect.stringContaining('kept: 300 entries')]);
    expect(await keep()).toEqual([0, expect.stringContaining('unchanged: 300 entries')]);
    log = LogInMemory.of(entries);
    expect(await keep()).toEqual([0, expect.stringContaining('kept: 1000 entries')]);
    expect(readFileSync(file('witness'), 'utf8').match(/^— /gm)).toHaveLength(2);
    expect(await verify({ url, checkpoints: [file('witness')] })).toEqual([
      0,
      expect.stringContaining('3 checkpoints'),
    ]);
  });

  it('refuses a rollback, a fork of the same size, a fork that has grown, and a checkpoint that is not signed', async () => {
    await keep();
    const before = readFileSync(file('witness'));
    log = LogInMemory.of(entries.slice(0, 900));
    expect(await keep()).toEqual([1, expect.stringContaining('TAMPERED: rolled back at index 900')]);
    log = LogInMemory.of(entriesOf(SIZE, 'other'));
    expect(await keep()).toEqual([1, expect.stringContaining('TAMPERED: forked')]);
    log = LogInMemory.of(entriesOf(1_500, 'other'));
    expect(await keep()).toEqual([1, expect.stringContaining('TAMPERED: forked')]);
    log = LogInMemory.of([...entries, ...entries]);
    log.files.set('checkpoint', Buffer.from(log.checkpoint.replace('2000', '2001')));
    expect(await keep()).toEqual([1, expect.stringContaining('TAMPERED: changed')]);
    log.files.delete('checkpoint');
    expect((await keep())[0]).toBe(2);
    expect(readFileSync(file('witness'))).toEqual(before);
  });
});

function exportFiles(): void {
  for (const [path, data] of log.files) {
    mkdirSync(dirname(join(folder, 'log', path)), { recursive: true });
    writeFileSync(join(folder, 'log', path), data);
  }
}
