import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { PassThrough, Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  ApiKeyRemoved,
  bindingOf,
  message,
  SubjectImportRequested,
  TOPICS,
  type FactRecorded,
  type SubjectRow,
} from '@countersign/contracts';
import { createSealingKeys, PayloadSealer } from '@countersign/crypto';
import { BusClient, toRecord } from '@countersign/messaging';
import { eventually } from '@countersign/testing';
import { ADMIN_KEY, AGENT_KEY, API_KEYS, RestTestBed } from '../../test/test-bed.js';
import { StreamImport } from './stream-import.use-case.js';

const PATH = '/v1/tenants/acme/subjects:import';
const NDJSON = { 'content-type': 'application/x-ndjson' };
const CANARY = '73918264';

let bed: RestTestBed;
/** The rows of each batch that verification received. */
let batches: SubjectRow[][];
const facts: FactRecorded[] = [];

beforeEach(async () => {
  bed = await RestTestBed.open({ RECEIVE_TIMEOUT_MS: '1000' });
  batches = [];
  bed.answer = async (_type, fields) => {
    const rows = await rowsOf(fields);
    batches.push(rows);
    return {
      answer: 'updated',
      body: { results: rows.map(({ line, subject }) => ({ line, subject, result: 'created' })) },
    };
  };
  facts.length = 0;
  await bed.broker.ensureTopics([TOPICS.facts]);
  const group = { group: 'audit', topics: [TOPICS.facts.name], onFatal: () => undefined };
  const taken = await bed.broker.consume(group, ({ value }) => {
    facts.push(JSON.parse(value.toString()) as FactRecorded);
    return Promise.resolve();
  });
  await taken.ready;
});
afterEach(() => bed.close());

async function rowsOf(fields: Record<string, unknown>): Promise<SubjectRow[]> {
  const { rows } = await bed.unsealer.unseal(String(fields['sealed']), bindingOf(SubjectImportRequested, fields));
  return rows as SubjectRow[];
}

const parse = (text: string): Record<string, unknown>[] =>
  text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Record<string, unknown>]));

async function post(body: string | Uint8Array, query = '', headers: Record<string, string> = NDJSON) {
  const response = await fetch(`${bed.adapter.urls['rest']}${PATH}${query}`, {
    ...{ method: 'POST', body: body as never, headers: { authorization: `Bearer ${ADMIN_KEY}`, ...headers } },
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, lines: response.ok ? parse(text) : [] };
}

/** A request with a body that is sent bit by bit, and what has been answered so far. */
interface OpenImport {
  readonly request: ClientRequest;
  /** Resolves when the answer has begun. */
  readonly response: Promise<IncomingMessage>;
  readonly text: () => string;
  readonly isClosed: () => boolean;
}

function open(query = '', key = ADMIN_KEY): OpenImport {
  let text = '';
  let isClosed = false;
  const request = httpRequest(`${bed.adapter.urls['rest']}${PATH}${query}`, {
    ...{ method: 'POST', headers: { authorization: `Bearer ${key}`, ...NDJSON } },
  });
  const end = (): void => void (isClosed = true);
  const response = new Promise<IncomingMessage>((resolve) => {
    request.on('response', (answer) => {
      answer
        .on('data', (chunk: Buffer) => (text += chunk.toString()))
        .on('error', end)
        .on('close', end);
      resolve(answer);
    });
  });
  request.on('error', end);
  return { request, response, text: () => text, isClosed: () => isClosed };
}

const line = (n: number): string => `${JSON.stringify({ subject: `s-${n}`, displayName: `Subject ${n}` })}\n`;

describe('POST subjects:import', () => {
  it('answers each line in its order, sends batches of at most 200 rows, and records one event with the counts', async () => {
    const body = Array.from({ length: 1001 }, (_, n) => line(n + 1)).join('');
    const { status, headers, lines } = await post(body, '?importId=nightly-2026-11-27');
    expect([status, headers.get('content-type')]).toEqual([200, 'application/x-ndjson']);
    expect(headers.get('import-id')).toBe('nightly-2026-11-27');
    expect(lines).toEqual(
      Array.from({ length: 1001 }, (_, n) => ({ line: n + 1, subject: `s-${n + 1}`, result: 'created' })),
    );
    expect(batches.flat().map((row) => row.line)).toEqual(Array.from({ length: 1001 }, (_, n) => n + 1));
    expect(Math.max(...batches.map((rows) => rows.length))).toBe(200);
    await eventually('the event is recorded', () => facts.length === 1);
    expect(facts[0]).toMatchObject({
      ...{ kind: 'subjects.imported', tenant: 'acme', commandId: 'nightly-2026-11-27' },
      actor: { kind: 'administrator' },
      detail: { created: 1001, updated: 0, unchanged: 0, rejected: 0, isComplete: true },
    });
  });

  it('rejects a line with the field and the rule, never the value, and imports the others', async () => {
    const body = [
      '\ufeff{"subject":"a"}',
      '{"subject":',
      `{"subject":"b","pin":${CANARY}}`,
      '',
      `{"subject":"c","secret":"${CANARY}"}`,
      `{"subject":"d","pin":"${CANARY}","pinHash":"$2b$10$${'a'.repeat(53)}"}`,
      `{"subject":"e","displayName":"${'x'.repeat(20_000)}"}`,
      `["${CANARY}"]`,
      `{"displayName":"${CANARY}"}`,
      `{"subject":"f","answers":{"zip_code":5}}\r`,
      '{"subject":"g","phones":["12"]}',
      `{"subject":"h","__proto__":{"pin":"${CANARY}"}}`,
      '{"subject":"i"}',
    ].join('\n');
    const { lines, text } = await post(body);
    expect(lines.map(({ line, result, violations }) => [line, violations ? fieldsOf(violations) : result])).toEqual([
      [1, 'created'],
      [2, 'line'],
      [3, 'pin'],
      [5, 'secret'],
      [6, 'pinHash'],
      [7, 'line'],
      [8, 'body'],
      [9, 'subject'],
      [10, 'answers.zip_code'],
      [11, 'phones[0]'],
      [12, '__proto__'],
      [13, 'created'],
    ]);
    expect(text + bed.log).not.toContain(CANARY);
    expect(bed.bytes).not.toContain(CANARY);
  });

  it('answers lines while the client keeps the request open, longer than another request may take', async () => {
    const { request, response, text } = open();
    for (let n = 1; n <= 6; n++) {
      request.write(line(n));
      await response;
      await eventually(`line ${n} is answered`, () => parse(text()).length === n);
    }
    const startedAt = Date.now();
    for (let n = 7; Date.now() - startedAt < 2500; n++) {
      request.write(line(n));
      await eventually(`line ${n} is answered`, () => parse(text()).length === n);
    }
    request.end();
    const answer = await response;
    await eventually('the answer ends', () => answer.complete);
    expect(parse(text()).every(({ result }) => result === 'created')).toBe(true);
  });

  it('ends with a problem when no line comes in time, and lets the next import begin', async () => {
    const { request, text } = open();
    request.write(line(1));
    await eventually('the answer has ended', () => text().includes('urn:countersign:problem'));
    expect(parse(text())).toMatchObject([{ line: 1, result: 'created' }, { status: 503 }]);
    request.destroy();
    await eventually('another import begins', async () => (await post(line(1))).status === 200);
    expect(facts[0]).toMatchObject({ detail: { created: 1, isComplete: false } });
  });

  it('reads no more lines than it can pass on while verification is busy', async () => {
    let release: (() => void) | undefined;
    const busy = new Promise<void>((resolve) => (release = resolve));
    const { answer } = bed;
    bed.answer = async (type, fields) => {
      await busy;
      return answer(type, fields);
    };
    const { request, text } = open();
    // 32 MB, far more than the buffers of a connection hold.
    const [row, total] = [`${' '.repeat(16_000)}{"subject":"s"}\n`, 2_000];
    let written = 0;
    let isFull = false;
    const write = (): void => {
      while (!isFull && written < total) {
        written++;
        isFull = !request.write(row);
      }
    };
    request.on('drain', () => {
      isFull = false;
      write();
    });
    write();
    await eventually(
      'a batch waits',
      () => bed.commands.filter(({ type }) => type === SubjectImportRequested.type).length === 1,
    );
    await eventually('the connection is full', () => isFull);
    expect([written < total, batches.length]).toEqual([true, 0]);
    release?.();
    await eventually('the rest is taken', () => written === total, 20_000);
    request.end();
    await eventually('every line is answered', () => (text().match(/\n/g) ?? []).length === total, 20_000);
  });

  it('numbers lines from firstLine, and passes import id and dry run on', async () => {
    const { lines } = await post(`\n${line(1)}`, '?importId=import-77&firstLine=500&dryRun=true');
    expect(lines).toMatchObject([{ line: 501 }]);
    expect(bed.commands.at(-1)?.fields).toMatchObject({ tenant: 'acme', importId: 'import-77', dryRun: true });
    expect(facts).toEqual([]);
  });

  it.each(['importId=short', 'importId=no%20spaces', 'firstLine=0', 'firstLine=x', 'dryRun=yes', 'more=1'])(
    'refuses the query %s with the field and the rule',
    async (query) => {
      const { status, text } = await post(line(1), `?${query}`);
      expect(status).toBe(422);
      expect(JSON.parse(text)).toMatchObject({ violations: [{ field: query.split('=')[0] }] });
    },
  );

  it('takes NDJSON only, and no other route takes it', async () => {
    expect((await post('{"subject":"a"}', '', { 'content-type': 'application/json' })).status).toBe(415);
    const put = await bed.call('PUT', '/v1/tenants/acme', { key: ADMIN_KEY, body: '{"name":"a"}', headers: NDJSON });
    expect(put.status).toBe(415);
    expect(bed.commands).toEqual([]);
  });

  it("answers an agent's key as an unknown path, and another method with 405", async () => {
    const hidden = await bed.call('POST', PATH, { key: AGENT_KEY, body: line(1), headers: NDJSON });
    const missing = await bed.call('GET', '/v1/nothing', { key: AGENT_KEY });
    expect([hidden.status, hidden.text]).toEqual([404, missing.text]);
    const got = await bed.call('GET', PATH, { key: ADMIN_KEY });
    expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST']);
  });

  it('answers a second import of the tenant with 429 while one runs', async () => {
    const { request, response, text } = open();
    request.write(line(1));
    await response;
    const second = await post(line(2));
    expect([second.status, second.headers.get('retry-after')]).toEqual([429, '5']);
    request.end();
    await eventually('the first import ends', () => parse(text()).length === 1);
    await eventually('another import begins', async () => (await post(line(1))).status === 200);
  });

  it('lets the next import begin although nobody has read the answer of the one before', async () => {
    const client = await BusClient.open({
      ...{ broker: bed.broker, owner: 'test', onFatal: () => undefined },
      proof: { isRequired: () => false, isValid: () => false },
    });
    const sealer = await PayloadSealer.fromKeySet((await createSealingKeys('s1')).publicKeys);
    const imports = new StreamImport(client, client, sealer, {
      ...{ idleMs: 1_000, longestMs: 60_000, logFault: () => undefined },
    });
    const options = {
      ...{ tenant: 'acme', importId: 'import-1', firstLine: 1, dryRun: true },
      ...{ actor: { kind: 'administrator', sourceAddress: '192.0.2.7' } as const, checkKey: () => undefined },
    };
    let ended = 0;
    for (const time of [1, 2]) {
      // As Fastify does when the connection closes before the answer begins.
      imports.import(options, new PassThrough(), () => ended++).destroy();
      await eventually('the import has ended', () => ended === time);
    }
    await client.close();
  });

  it('ends with a problem when it lasts too long, and can be resumed', async () => {
    const client = await BusClient.open({
      ...{ broker: bed.broker, owner: 'test', onFatal: () => undefined },
      proof: { isRequired: () => false, isValid: () => false },
    });
    const sealer = await PayloadSealer.fromKeySet((await createSealingKeys('s1')).publicKeys);
    const imports = new StreamImport(client, client, sealer, {
      ...{ idleMs: 1_000, longestMs: 0, logFault: () => undefined },
    });
    const options = {
      ...{ tenant: 'acme', importId: 'import-1', firstLine: 1, dryRun: true, checkKey: () => undefined },
      actor: { kind: 'administrator', sourceAddress: '192.0.2.7' } as const,
    };
    const results = imports.import(options, Readable.from([Buffer.from(line(1))]), () => undefined);
    const text = (await results.toArray()).join('');
    expect(parse(text)).toMatchObject([{ type: 'urn:countersign:problem:unavailable' }]);
    expect(batches).toEqual([]);
    await client.close();
  });

  it('ends with a problem when its key is deleted while it runs', async () => {
    const { answer } = bed;
    await bed.close();
    bed = await RestTestBed.open({ RECEIVE_TIMEOUT_MS: '30000' });
    bed.answer = answer;
    const { request, text } = open('', API_KEYS.manage);
    request.write(line(1));
    await eventually('the first line has a result', () => parse(text()).length === 1);
    await bed.broker.send([toRecord({ message: message(ApiKeyRemoved, { keyId: 'key_manage' }) })]);
    const isRefused = async (): Promise<boolean> =>
      (await bed.call('GET', '/v1/tenants/acme', { key: API_KEYS.manage })).status === 401;
    await eventually('the key is refused', isRefused);
    request.end(line(2));
    await eventually('the import has ended', () => parse(text()).length === 2);
    expect(parse(text())[1]).toMatchObject({ type: 'urn:countersign:problem:unauthorized' });
    expect(batches).toHaveLength(1);
  });

  it('rejects a line of many nested values, and imports the others', async () => {
    const nested = (levels: number): string =>
      `{"subject":"s-1","answers":{"zip_code":${'['.repeat(levels)}${']'.repeat(levels)}}}\n`;
    const { lines } = await post(nested(8_000) + nested(1) + line(3));
    expect(lines.map(({ line, result }) => [line, result])).toEqual([
      ...[1, 2].map((number) => [number, 'rejected']),
      [3, 'created'],
    ]);
    expect(lines[0]?.['violations']).toEqual([{ field: 'line', rule: 'must not be nested deeper than 4 levels' }]);
  });

  it('ends with a problem when verification cannot open a batch', async () => {
    bed.answer = () => ({ answer: 'unavailable' });
    expect((await post(line(1))).lines).toMatchObject([{ type: 'urn:countersign:problem:unavailable' }]);
  });
});

const fieldsOf = (violations: unknown): string => (violations as { field: string }[]).map(({ field }) => field).join();
