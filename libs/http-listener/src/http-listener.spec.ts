import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent as HttpAgent, get as httpGet, type RequestListener, type Server } from 'node:http';
import { Agent, get, type RequestOptions } from 'node:https';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { pino } from 'pino';
import { register } from 'prom-client';
import { eventually, TestAuthority, type TestCertificate } from '@countersign/testing';
import { clientCertificateOf, HttpListener, type PortUse } from './http-listener.js';
import { HttpSettings } from './http-settings.js';

/** Less than any setting allows, so that a test does not wait for seconds. */
const RELOAD_MS = 30;
const ENDS_WITHIN_MS = 12_000;

const ok: RequestListener = (_request, response) => void response.end('ok');

let folder: string;
let log: string;
let closers: (() => Promise<unknown>)[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-listener-'));
  log = '';
  closers = [];
});
afterEach(async () => {
  for (const close of closers.reverse()) await close();
  await rm(folder, { recursive: true });
});

interface OpenPort {
  readonly url: string;
  readonly port: number;
  readonly server: Server;
}

async function open(
  settings: Partial<HttpSettings> = {},
  handler: RequestListener = ok,
  use?: PortUse,
): Promise<OpenPort> {
  const logger = pino({}, { write: (line: string) => (log += line) });
  const all = Object.assign(new HttpSettings(), { TLS_RELOAD_SECONDS: RELOAD_MS / 1000, ...settings });
  const listener = await HttpListener.open('spec', all, logger);
  const server = listener.createServer(handler, use);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = listener.watch();
  closers.push(async () => {
    await stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const url = listener.urlOf(server);
  return { url, server, port: Number(new URL(url).port) };
}

/** A connection whose end the tests can wait for. */
interface Held {
  readonly socket: Socket;
  readonly ended: boolean;
  readonly text: string;
}

function hold(port: number, start = '', from?: string): Held {
  const socket = connect({ port, host: '127.0.0.1', ...(from === undefined ? {} : { localAddress: from }) });
  const held = { socket, ended: false, text: '' };
  socket.setEncoding('utf8').on('data', (part: string) => (held.text += part));
  socket.on('error', () => undefined).on('close', () => (held.ended = true));
  if (start !== '') socket.write(start);
  closers.push(() => Promise.resolve(socket.destroy()));
  return held;
}

const REQUEST = 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n';
const answered = (held: Held): Promise<unknown> =>
  eventually('the connection has an answer', () => held.text.includes('ok'));
const ended = (held: Held): Promise<unknown> =>
  eventually('the connection has ended', () => held.ended, ENDS_WITHIN_MS);

async function countOf(reason: string): Promise<number> {
  const metric = register.getSingleMetric('countersign_http_connections_cut_total');
  const { values } = await (metric ?? fail()).get();
  return values.find(({ labels }) => labels['reason'] === reason)?.value ?? 0;
}
const fail = (): never => {
  throw new Error('there is no such metric');
};

async function gauge(name: string): Promise<number | undefined> {
  const { values } = await (register.getSingleMetric(name) ?? fail()).get();
  return values.find(({ labels }) => labels['service'] === 'spec')?.value;
}

describe('a port without TLS', () => {
  it('refuses connections of an address beyond its limit, serves others, and admits again when one has ended', async () => {
    const { port } = await open({ HTTP_MAX_CONNECTIONS_PER_ADDRESS: 3 });
    const before = await countOf('address');
    const first = [1, 2, 3].map(() => hold(port, REQUEST));
    await Promise.all(first.map(answered));
    const refused = hold(port, REQUEST);
    await ended(refused);
    expect(refused.text).toBe('');
    expect(await countOf('address')).toBe(before + 1);
    await answered(hold(port, REQUEST, '127.0.0.2'));
    first[0]?.socket.destroy();
    await eventually('a new connection is served', async () => {
      const next = hold(port, REQUEST);
      await eventually('it is served or ended', () => next.ended || next.text !== '');
      return next.text.includes('ok');
    });
  });

  it('writes nothing into an answer that has begun when the rest of its request is not HTTP, and ends the connection', async () => {
    const { port } = await open({}, (request, response) => {
      request.on('error', () => undefined).resume();
      response.write('begun');
    });
    const held = hold(port, 'POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n');
    await eventually('the answer has begun', () => held.text.includes('begun'));
    held.socket.write('this is no chunk\r\n');
    await ended(held);
    expect(held.text).not.toContain('400');
    const later = hold(port, 'no request\r\n\r\n');
    await ended(later);
    expect(later.text).toMatch(/^HTTP\/1.1 400 /);
  });

  it('does not limit the connections of a trusted proxy', async () => {
    const { port } = await open({ HTTP_MAX_CONNECTIONS_PER_ADDRESS: 1, TRUSTED_PROXIES: '127.0.0.0/30' });
    await Promise.all([1, 2, 3, 4].map(() => answered(hold(port, REQUEST))));
  });

  it('refuses connections beyond the limit of all, and serves those that are open', async () => {
    const { port } = await open({ HTTP_MAX_CONNECTIONS: 2 });
    const before = await countOf('connections');
    const first = [hold(port, REQUEST), hold(port, REQUEST)];
    await Promise.all(first.map(answered));
    const refused = hold(port, REQUEST, '127.0.0.2');
    await ended(refused);
    expect(refused.text).toBe('');
    expect(await countOf('connections')).toBe(before + 1);
    const [one] = first;
    one?.socket.write(REQUEST);
    await eventually('the open connection is served', () => one?.text.split('ok').length === 3);
  });

  it('announces the end of a connection with the last answer that it may have, and serves no more requests on it', async () => {
    const { port } = await open({ HTTP_MAX_REQUESTS_PER_CONNECTION: 2 });
    const held = hold(port, REQUEST);
    await answered(held);
    expect(held.text).not.toMatch(/connection: close/i);
    held.socket.write(REQUEST);
    await eventually('the second answer is there', () => held.text.split('ok').length === 3);
    expect(held.text).toMatch(/connection: close/i);
    held.socket.write(REQUEST);
    await eventually('the third request is refused', () => held.text.includes('HTTP/1.1 503'));
    expect(held.text.split('ok')).toHaveLength(3);
  });

  it('ends a connection without a request after the keep-alive time', async () => {
    const { port } = await open({ HTTP_KEEP_ALIVE_SECONDS: 0.2 });
    const held = hold(port, REQUEST);
    await ended(held);
    expect(held.text).toContain('ok');
  });

  it.each([
    ['too many headers', Array.from({ length: 101 }, (_, index) => `x-${index}: 1`).join('\r\n')],
    ['too large headers', `x-a: ${'a'.repeat(16_384)}`],
  ])('answers %s with 431 and does not call the handler', async (_what, headers) => {
    let calls = 0;
    const { port } = await open({}, (request, response) => {
      calls++;
      ok(request, response);
    });
    const held = hold(port, `GET / HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n\r\n`);
    await ended(held);
    expect(held.text).toMatch(/^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/);
    expect(held.text).toMatch(/\{"type":"about:blank","title":"Request Header Fields Too Large","status":431\}$/);
    expect(calls).toBe(0);
  });

  it('hands on as many headers as are allowed', async () => {
    const { port } = await open({}, (request, response) => {
      response.end(`ok ${request.rawHeaders.length / 2}`);
    });
    const headers = Array.from({ length: 99 }, (_, index) => `x-${index}: 1`).join('\r\n');
    const held = hold(port, `GET / HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n\r\n`);
    await eventually('it is answered', () => held.text.includes('ok 100'));
  });

  it('answers what is no HTTP with 400', async () => {
    const { port } = await open();
    const held = hold(port, 'SSH-2.0-nothing\r\n\r\n');
    await ended(held);
    expect(held.text).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
  });

  it('names no software in its answers', async () => {
    const { port } = await open();
    const held = hold(port, REQUEST);
    await answered(held);
    expect(held.text).not.toMatch(/^(server|x-powered-by|via):/im);
  });
});

describe('a client that reads slowly', () => {
  /** More than the buffers of both sides of a connection hold. */
  const LARGE = Buffer.alloc(32 * 1024 * 1024, 'x');
  const large: RequestListener = (_request, response) => void response.end(LARGE);

  it('loses its connection when it does not take an answer in time, and others are served', async () => {
    const before = await countOf('slow_reader');
    const { port, url, server } = await open({ SEND_TIMEOUT_MS: 500 }, (request, response) =>
      (request.url === '/large' ? large : ok)(request, response),
    );
    const slow = connect({ port, host: '127.0.0.1' });
    slow.pause().on('error', () => undefined);
    closers.push(() => Promise.resolve(slow.destroy()));
    let open_ = 0;
    const connections = (): Promise<number> =>
      new Promise((resolve) => server.getConnections((_error, count) => resolve((open_ = count))));
    slow.write('GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n');
    expect(await (await fetch(url)).text()).toBe('ok');
    await eventually(
      'the slow reader is cut',
      async () => (await countOf('slow_reader')) === before + 1,
      ENDS_WITHIN_MS,
    );
    expect(await (await fetch(url)).text()).toBe('ok');
    await eventually('its connection has ended', async () => (await connections()) <= 1);
    expect(open_).toBeLessThanOrEqual(1);
  });

  it('keeps its connection while it takes at least 64 KiB in that time', async () => {
    const PART = 1024 * 1024;
    // In parts that are sent one after the other, because the progress of one write cannot be seen.
    const { port } = await open({ SEND_TIMEOUT_MS: 500 }, (_request, response) => {
      let sent = 0;
      const more = (): void => {
        if (sent++ === LARGE.length / PART) response.end();
        else response.write(LARGE.subarray(0, PART), more);
      };
      more();
    });
    const socket = connect({ port, host: '127.0.0.1' });
    closers.push(() => Promise.resolve(socket.destroy()));
    let taken = 0;
    socket.on('data', (part) => {
      taken += part.length;
      socket.pause();
      setTimeout(() => socket.resume(), 2);
    });
    let isCut = false;
    socket.on('error', () => (isCut = true)).on('close', () => (isCut = taken < LARGE.length));
    const startedAt = performance.now();
    socket.write(REQUEST);
    await eventually('the whole answer is taken', () => isCut || taken > LARGE.length, 30_000);
    expect(isCut).toBe(false);
    expect(performance.now() - startedAt).toBeGreaterThan(1_000);
  });
});

describe('a port with TLS', () => {
  let authority: TestAuthority;
  let certificates: readonly TestCertificate[];
  beforeAll(async () => {
    authority = await TestAuthority.create();
    certificates = await Promise.all([0, 1, 2, 3].map((n) => authority.issue(`server-${n}`, ['127.0.0.1'])));
  });

  const path = (name: string): string => join(folder, name);
  const write = async ({ cert, key }: Partial<TestCertificate>): Promise<void> => {
    if (cert !== undefined) await writeFile(path('cert'), cert);
    if (key !== undefined) await writeFile(path('key'), key);
  };
  const pair = (): Partial<HttpSettings> => ({ TLS_CERT_FILE: path('cert'), TLS_KEY_FILE: path('key') });
  const certificate = (index: number): TestCertificate => certificates[index] ?? fail();

  /** One request. @returns the answer and the name in the certificate of the server */
  const request = (url: string, options: RequestOptions = {}): Promise<{ text: string; name: string }> =>
    new Promise((resolve, reject) => {
      get(url, { ca: authority.pem, agent: new Agent({ keepAlive: false }), ...options }, (response) => {
        const name = String((response.socket as TLSSocket).getPeerCertificate().subject?.CN);
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('end', () => resolve({ text, name })).on('error', reject);
      }).on('error', reject);
    });

  it('uses changed files for new connections under load, without a failed request', async () => {
    await write(certificate(0));
    const { url } = await open(pair());
    const names = new Set<string>();
    let requests = 0;
    let isOver = false;
    const keptAlive = new Agent({ keepAlive: true, maxSockets: 4 });
    const load = Array.from({ length: 8 }, async (_, index) => {
      while (!isOver) {
        const { text, name } = await request(url, index % 2 === 0 ? { agent: keptAlive } : {});
        expect(text).toBe('ok');
        names.add(name);
        requests++;
      }
    });
    for (let change = 1; change <= 12; change++) {
      const next = certificate(change % 4);
      // One after the other, as many tools do: between the two, the files hold no pair.
      await write({ cert: next.cert });
      await write({ key: next.key });
      const expected = `server-${change % 4}`;
      await eventually(`${expected} is in use`, async () => (await request(url)).name === expected);
    }
    isOver = true;
    await Promise.all(load);
    keptAlive.destroy();
    expect([...names].sort()).toEqual(['server-0', 'server-1', 'server-2', 'server-3']);
    expect(requests).toBeGreaterThan(100);
    expect(await gauge('countersign_tls_files_refused')).toBe(0);
  });

  it.each<[string, () => Promise<Partial<TestCertificate>>, RegExp]>([
    [
      'the key of another certificate',
      () => Promise.resolve({ key: certificate(1).key }),
      /TLS_KEY_FILE must be the key of/,
    ],
    [
      'half of a file',
      () => Promise.resolve({ cert: certificate(1).cert.slice(0, 200) }),
      /TLS_CERT_FILE must be a certificate/,
    ],
    ['an empty key', () => Promise.resolve({ key: '' }), /TLS_KEY_FILE must be a private key/],
    [
      'an expired certificate',
      () => authority.issue('server-9', ['127.0.0.1'], Date.now() - 5 * 86_400_000),
      /TLS_CERT_FILE must be valid today/,
    ],
  ])(
    'keeps its certificate when the files change to %s, logs the rule once, and shows it in a metric',
    async (...row) => {
      const [, changed, rule] = row;
      await write(certificate(0));
      const { url } = await open(pair());
      expect(await gauge('countersign_tls_files_refused')).toBe(0);
      await write(await changed());
      await eventually('the log names the rule', () => rule.test(log));
      expect(await gauge('countersign_tls_files_refused')).toBe(1);
      expect((await request(url)).name).toBe('server-0');
      expect(await gauge('countersign_tls_certificate_expiry_timestamp_seconds')).toBeGreaterThan(Date.now() / 1000);
      await write(certificate(2));
      await eventually('the good pair is in use', async () => (await request(url)).name === 'server-2');
      expect(await gauge('countersign_tls_files_refused')).toBe(0);
      const lines = log.split('\n').filter((line) => rule.test(line));
      expect(lines).toHaveLength(1);
      expect(log).not.toContain('-----BEGIN');
    },
  );

  it.each<[string, () => Partial<HttpSettings>, RegExp]>([
    [
      'a certificate without its key',
      () => ({ TLS_CERT_FILE: path('cert') }),
      /TLS_KEY_FILE must be set when TLS_CERT/,
    ],
    ['a key without its certificate', () => ({ TLS_KEY_FILE: path('key') }), /TLS_CERT_FILE must be set when TLS_KEY/],
    ['a file that is missing', () => ({ ...pair(), TLS_KEY_FILE: path('x') }), /TLS_KEY_FILE must be the path.*ENOENT/],
    ['a key in place of the certificate', () => ({ ...pair(), TLS_CERT_FILE: path('key') }), /TLS_CERT_FILE must be a/],
    [
      'no authorities',
      () => ({ ...pair(), TLS_CLIENT_CA_FILE: path('key') }),
      /TLS_CLIENT_CA_FILE must be certificates/,
    ],
    ['authorities alone', () => ({ TLS_CLIENT_CA_FILE: path('cert') }), /TLS_CERT_FILE and TLS_KEY_FILE must be set/],
    ['TLS for operators alone', () => ({ OPS_TLS: true }), /TLS_CERT_FILE and TLS_KEY_FILE must be set when OPS_TLS/],
  ])('does not start with %s, and names the setting', async (_what, settings, rule) => {
    await write(certificate(0));
    const starting = open(settings());
    await expect(starting).rejects.toMatchObject({
      code: 'SETTINGS_INVALID',
      message: expect.stringMatching(rule) as string,
    });
  });

  const handshake = (port: number, options: ConnectionOptions): Promise<string> =>
    new Promise((resolve) => {
      const socket = connectTls({ port, host: '127.0.0.1', ca: authority.pem, ...options }, () => {
        resolve(socket.getProtocol() ?? '');
        socket.destroy();
      });
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
    });

  it('speaks TLS 1.2 and 1.3 with forward secrecy, and nothing older or weaker', async () => {
    await write(certificate(0));
    const { port } = await open(pair());
    expect(await handshake(port, { maxVersion: 'TLSv1.2' })).toBe('TLSv1.2');
    expect(await handshake(port, {})).toBe('TLSv1.3');
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    expect(await handshake(port, old)).toMatch(/PROTOCOL_VERSION|EPROTO|ECONNRESET/);
    const weak = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' } as const;
    expect(await handshake(port, weak)).toMatch(/HANDSHAKE_FAILURE|EPROTO|ECONNRESET/);
  });

  it('ends a handshake that is not completed in time, and serves others', async () => {
    await write(certificate(0));
    const { port, url } = await open({ ...pair(), RECEIVE_TIMEOUT_MS: 500 });
    const silent = hold(port);
    // The beginning of a record that announces a handshake message of 512 bytes.
    const partial = hold(port, '\x16\x03\x01\x02\x00\x01');
    expect((await request(url)).text).toBe('ok');
    await Promise.all([ended(silent), ended(partial)]);
    expect((await request(url)).text).toBe('ok');
  });

  it('ends a connection that sends no request after its handshake', async () => {
    await write(certificate(0));
    const { port } = await open({ ...pair(), RECEIVE_TIMEOUT_MS: 500 });
    let isEnded = false;
    const socket = connectTls({ port, host: '127.0.0.1', ca: authority.pem });
    socket.on('error', () => undefined).on('close', () => (isEnded = true));
    socket.resume();
    await eventually('the connection has ended', () => isEnded, ENDS_WITHIN_MS);
  });

  it('answers no request without TLS', async () => {
    await write(certificate(0));
    const { port } = await open(pair());
    const plain = hold(port, REQUEST);
    await ended(plain);
    expect(plain.text).not.toContain('ok');
  });

  describe('with authorities for client certificates', () => {
    let others: TestAuthority;
    let client: TestCertificate;
    beforeEach(async () => {
      others = await TestAuthority.create();
      client = await authority.issue('voice-platform');
      await write(certificate(0));
      await writeFile(path('ca'), authority.pem);
    });
    const mutual = (): Partial<HttpSettings> => ({ ...pair(), TLS_CLIENT_CA_FILE: path('ca') });
    const named: RequestListener = (incoming, response) =>
      void response.end(clientCertificateOf(incoming.socket) ?? '-');

    it('serves a client with a certificate of them and knows its name, and refuses every other before its request', async () => {
      let calls = 0;
      const { url } = await open(mutual(), (incoming, response) => {
        calls++;
        named(incoming, response);
      });
      expect((await request(url, client)).text).toMatch(/^voice-platform [0-9A-F]+$/);
      await expect(request(url)).rejects.toThrow();
      await expect(request(url, await others.issue('voice-platform'))).rejects.toThrow();
      await expect(request(url, await authority.issue('old', [], Date.now() - 5 * 86_400_000))).rejects.toThrow();
      expect(calls).toBe(1);
    });

    it('refuses new connections with a certificate of an authority that was removed', async () => {
      const { url } = await open(mutual(), named);
      // Keeps the session, which must not replace the certificate.
      const sessions = new Agent({ keepAlive: false, maxCachedSessions: 10 });
      expect((await request(url, { ...client, agent: sessions })).text).toContain('voice-platform');
      await writeFile(path('ca'), others.pem);
      await eventually('the certificate is refused', () =>
        request(url, { ...client, agent: sessions }).then(
          () => false,
          () => true,
        ),
      );
      expect((await request(url, await others.issue('new'))).text).toContain('new');
    });

    it('requires no client certificate on the port for operators', async () => {
      const { url } = await open({ ...mutual(), OPS_TLS: true }, named, 'operators');
      expect((await request(url)).text).toBe('-');
    });
  });

  it('leaves the port for operators without TLS by default', async () => {
    await write(certificate(0));
    const { url } = await open(pair(), ok, 'operators');
    expect(url).toMatch(/^http:/);
    const status = await new Promise((resolve) =>
      httpGet(url, { agent: new HttpAgent() }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }),
    );
    expect(status).toBe(200);
  });
});
