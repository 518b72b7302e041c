import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { exportEvents, type EventExportOptions } from './export-events.js';
import { eventLine } from './event-line.js';
import { type AnsweredEvent } from './events-api.js';
import { searchEvents, type SearchOptions } from './search-events.js';
import { tailEvents } from './tail-events.js';

const API_KEY = 'k'.repeat(40);
const env = { COUNTERSIGN_API_KEY: API_KEY };
const COUNT = 450;
const EVENTS: readonly AnsweredEvent[] = Array.from({ length: COUNT }, (_, at) => {
  // Other tenants have the indexes in between.
  const event = {
    time: Date.UTC(2026, 10, 27) + at,
    status_code: 'PIN_MISMATCH',
    metadata: { uid: `e-${at}`, note: 'ü' },
  };
  const of = { type: 'attempt.decided', tenant: 'acme', subject: 'c-1', call: null, event };
  return { id: `e-${at}`, index: at * 3, time: new Date(event.time).toISOString(), ...of };
});
const HEAD = 'index,event\n';
const linesOf = (format: string, events: readonly AnsweredEvent[]): string =>
  format === 'csv'
    ? HEAD + events.map(({ index, event }) => `${index},"${JSON.stringify(event).replaceAll('"', '""')}"\n`).join('')
    : events.map(({ event }) => `${JSON.stringify(event)}\n`).join('');

let folder: string;
let server: Server;
let url: string;
let requests: string[];
let notes: string[];
let printed: string[];
/** Answers instead of the API. @returns whether it has */
let instead: (request: IncomingMessage, response: ServerResponse) => boolean;
/** Bytes after which each export breaks off; empty: none does. */
let breaks: number[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'events-'));
  [requests, notes, printed, breaks] = [[], [], [], []];
  instead = () => false;
  server = createServer((request, response) => {
    requests.push(`${request.url}`);
    if (instead(request, response)) return;
    if (request.headers.authorization !== `Bearer ${API_KEY}`) return void response.writeHead(401).end('{}');
    const { pathname, searchParams } = new URL(`http://host${request.url}`);
    const cursor = searchParams.get('cursor');
    if (pathname === '/v1/events') return answerPage(response, searchParams);
    if (pathname !== '/v1/events/export')
      return void response.end(JSON.stringify(EVENTS.find(({ id }) => pathname.endsWith(`/${id}`))));
    const format = searchParams.get('format') ?? '';
    const text = Buffer.from(
      linesOf(
        format,
        EVENTS.filter(({ index }) => index > Number(cursor ?? -1)),
      ),
    );
    const bytes = format === 'ndjson.gz' ? gzipSync(text) : text;
    const end = breaks.shift();
    response.writeHead(200);
    if (end === undefined) response.end(bytes);
    else response.write(bytes.subarray(0, end), () => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

function answerPage(response: ServerResponse, query: URLSearchParams): void {
  const isAscending = query.get('order') === 'asc';
  const cursor = Number(query.get('cursor') ?? (isAscending ? -1 : Infinity));
  const ordered = isAscending ? EVENTS : EVENTS.toReversed();
  const rest = ordered.filter(({ index }) => (isAscending ? index > cursor : index < cursor));
  const items = rest.slice(0, Number(query.get('limit')));
  const isOver = !isAscending && items.length === rest.length;
  response.end(JSON.stringify({ items, nextCursor: isOver ? null : String(items.at(-1)?.index ?? cursor) }));
}

const write = (text: string): void => void printed.push(text);
const note = (text: string): void => void notes.push(text);
const search = (options: SearchOptions = {}): Promise<void> => searchEvents(env, { url, ...options }, write, note);
const path = (name: string): string => join(folder, name);
const exportTo = (name: string, options: EventExportOptions = {}): Promise<void> =>
  exportEvents(env, path(name), { url, ...options }, note);

describe('countersign events search', () => {
  it('prints one line for each event, the newest first, and says how to read on', async () => {
    await search({ limit: '3', type: 'attempt.decided' });
    expect(printed).toEqual(EVENTS.slice(-3).toReversed().map(eventLine));
    expect(notes).toEqual(['3 events. For those after them, add --cursor 1341, or --all for all']);
    expect(requests).toEqual(['/v1/events?type=attempt.decided&order=desc&limit=3']);
  });

  it.each(['asc', 'desc'])('reads all pages in the order %s, each event once', async (order) => {
    await search({ all: true, json: true, order });
    const seen = printed.map((line) => (JSON.parse(line) as AnsweredEvent).index);
    const expected = EVENTS.map(({ index }) => index);
    expect(seen).toEqual(order === 'asc' ? expected : expected.reverse());
    expect(notes).toEqual([]);
  });

  it('prints no character that a terminal could take for a command', () => {
    const [event] = EVENTS;
    expect(eventLine({ ...event!, subject: 'a\u001b[2J\u009b1m\u202eb\n' })).toMatch(
      /subject=a\ufffd\[2J\ufffd1m\ufffdb\ufffd/,
    );
  });

  it.each([
    [401, {}, /does not accept the key/],
    [403, {}, /scope audit/],
    [404, {}, /check --url, and name the tenant/],
    [422, { violations: [{ field: 'type', rule: 'must be a kind of event' }] }, /^--type must be a kind of event$/],
  ])('says after status %i what to correct', async (status, body, message) => {
    instead = (_request, response) => !!response.writeHead(status).end(JSON.stringify(body));
    await expect(search()).rejects.toMatchObject({
      retriable: false,
      message: expect.stringMatching(message) as string,
    });
    expect(requests).toHaveLength(1);
  });

  it('continues after a status that passes', async () => {
    let faults = 1;
    instead = (_request, response) => faults-- > 0 && !!response.writeHead(503).end();
    await search({ limit: '1' });
    expect(printed).toHaveLength(1);
  });

  it('sends the key to no other address, whatever the service answers', async () => {
    let seen = 0;
    const other = createServer((_request, response) => void (seen++, response.end('{}')));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const location = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`;
    instead = (_request, response) => !!response.writeHead(302, { location }).end();
    await expect(search().finally(() => other.close())).rejects.toThrow(/status 302: check --url/);
    expect(seen).toBe(0);
  });
});

describe('countersign events export', () => {
  const contentOf = (name: string): string => {
    const bytes = readFileSync(path(name));
    return (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
  };

  it.each(['events.ndjson', 'events.csv', 'events.ndjson.gz'])(
    'writes %s, readable by its owner alone, and continues after each break without a gap or a double line',
    async (name) => {
      breaks = name.endsWith('csv') ? [HEAD.length, 3000] : [3000, 2000];
      await exportTo(name);
      expect(contentOf(name)).toBe(linesOf(name.slice('events.'.length), EVENTS));
      expect(statSync(path(name)).mode & 0o777).toBe(0o600);
      expect(readdirSync(folder)).toEqual([name]);
      expect(notes.at(-1)).toMatch(/^exported 450 events to /);
    },
  );

  it.each(['events.ndjson', 'events.csv', 'events.ndjson.gz'])(
    'continues %s when it is run again after it was stopped',
    async (name) => {
      const stopping = new AbortController();
      breaks = [3000];
      instead = (request) => {
        if (requests.length > 1 && request.url?.includes('export')) stopping.abort();
        return false;
      };
      const stopped = exportEvents(env, path(name), { url }, note, stopping.signal);
      await expect(stopped).rejects.toMatchObject({
        ...{
          retriable: true,
          message: expect.stringMatching(/after [1-9]\d* events: run the command again/) as string,
        },
      });
      instead = () => false;
      await expect(exportTo(name, { subject: 'c-1' })).rejects.toThrow(/another url, format or filter: add --restart/);
      await exportTo(name);
      expect(notes).toContainEqual(expect.stringMatching(/^continues after [1-9]\d* events$/) as string);
      expect(contentOf(name)).toBe(linesOf(name.slice('events.'.length), EVENTS));
      expect(readdirSync(folder)).toEqual([name]);
    },
  );

  it('begins again with --restart, and leaves an earlier complete file until the new one is complete', async () => {
    await exportTo('events.ndjson');
    instead = (_request, response) => !!response.writeHead(403).end('{}');
    await expect(exportTo('events.ndjson')).rejects.toThrow(/scope audit/);
    expect(contentOf('events.ndjson')).toBe(linesOf('ndjson', EVENTS));
    instead = () => false;
    await exportTo('events.ndjson', { restart: true, cursor: '600' });
    expect(contentOf('events.ndjson')).toBe(linesOf('ndjson', EVENTS.slice(201)));
  });
});

describe('countersign events tail', () => {
  const sse = ({ index, ...item }: AnsweredEvent): string =>
    `id: ${index}\nevent: ${item.type}\ndata: ${JSON.stringify({ index, ...item })}\n\n`;

  it('continues after the last event when the stream breaks off, and ends when the key is refused', async () => {
    const seen: unknown[] = [];
    instead = (request, response) => {
      seen.push(request.headers['last-event-id']);
      const [first, second, third] = EVENTS.map(sse);
      response.writeHead(seen.length === 4 ? 401 : 200);
      // An event arrives in two parts, and is printed once.
      const sent = [
        'retry: 1000\nid: 7\n\n',
        `${first}${second?.slice(0, 20)}`,
        `: keep-alive\n\n${second}${third}`,
        '{}',
      ];
      response.write(sent[seen.length - 1], () => response.destroy());
      return true;
    };
    const tail = tailEvents(env, { url, json: true }, write, note, new AbortController().signal);
    await expect(tail).rejects.toMatchObject({ retriable: false, message: expect.stringMatching(/the key/) as string });
    expect(seen).toEqual([undefined, '7', '0', '6']);
    expect(printed.map((line) => (JSON.parse(line) as AnsweredEvent).index)).toEqual([0, 3, 6]);
  });

  it('ends by a signal, and says how to continue', async () => {
    const stopping = new AbortController();
    instead = (_request, response) => response.writeHead(200).write(sse(EVENTS[5]!));
    await tailEvents(env, { url }, (text) => (write(text), stopping.abort()), note, stopping.signal);
    expect([printed, notes]).toEqual([[eventLine(EVENTS[5]!)], ['continue with --after 15']]);
  });
});
