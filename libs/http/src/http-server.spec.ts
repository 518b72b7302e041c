import {
  Catch,
  Controller,
  HttpException,
  Module,
  Post,
  UnauthorizedException,
  type ArgumentsHost,
} from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { HttpListener, HttpSettings } from '@countersign/http-listener';
import { pino } from 'pino';
import { type Requester } from '@countersign/contracts';
import { Health } from '@countersign/observability';
import { eventually, sendPipelined, TestAuthority, type RawRequest } from '@countersign/testing';
import { HealthController } from './health.controller.js';
import { HttpServer, RequestHooks, type HttpServerOptions } from './http-server.js';
import { accessOf, PUBLIC, RouteAccess } from './route-access.js';

/** Tenants in the order in which the controller received their requests. */
const received: string[] = [];

/** Accepts every request with a header `tenant`. */
class TenantHooks extends RequestHooks {
  override authenticate(request: FastifyRequest): Requester | undefined {
    if (accessOf(request) === PUBLIC) return undefined;
    const { tenant } = request.headers;
    if (typeof tenant !== 'string') throw new UnauthorizedException();
    return { tenant, agent: 'desk', caller: '' };
  }

  override answered(): Record<string, unknown> {
    return {};
  }
}

@Catch()
class StatusFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const status = error instanceof HttpException ? error.getStatus() : 500;
    void host.switchToHttp().getResponse<FastifyReply>().code(status).send({ status });
  }
}

@Controller('work')
class WorkController {
  @Post()
  @RouteAccess('tenant')
  work(): Record<string, never> {
    return {};
  }
}

@Module({
  controllers: [WorkController, HealthController],
  providers: [
    { provide: Health, useValue: new Health() },
    { provide: RequestHooks, useClass: TenantHooks },
    { provide: APP_FILTER, useClass: StatusFilter },
  ],
})
class WorkModule {}

/** Lines of the log, one per request. */
let log = '';
const logger = pino({}, { write: (line: string) => (log += line) });

const listenerWith = (settings: Partial<HttpSettings>): Promise<HttpListener> =>
  HttpListener.open('spec', Object.assign(new HttpSettings(), settings), logger);

const startServer = async (
  settings: Partial<HttpSettings> = {},
  options: Partial<HttpServerOptions> = {},
): Promise<HttpServer> =>
  HttpServer.start(WorkModule, {
    ...{ listener: await listenerWith(settings), port: 0, maxBodyBytes: 100, maxParamLength: 100 },
    ...{ logger, tracer: undefined },
    // A parser runs once the turn of its request has begun.
    addBodyParsers: (fastify) =>
      fastify.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
        received.push(String(request.headers['tenant']));
        done(null, body);
      }),
    sendNotFound: (reply) => void reply.code(404).send({ status: 404 }),
    ...options,
  });

describe('HttpServer', () => {
  let server: HttpServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server.close());

  const requestOf = (tenant: string): RawRequest => ({
    ...{ method: 'POST', path: '/work', body: '{}' },
    headers: { tenant, 'content-type': 'application/json' },
  });

  it('begins a request of a quiet tenant before the rest of a burst of another tenant that arrived first', async () => {
    received.length = 0;
    const burst = Array.from({ length: 100 }, () => requestOf('busy'));
    const close = await sendPipelined(server.url, [burst, [requestOf('quiet')]]);
    await eventually('all requests have begun', () => received.length === 101);
    // Without turns, all 100 requests of the busy tenant begin while its first packet is read.
    expect(received.indexOf('quiet')).toBeLessThan(20);
    close();
  });

  it('refuses a request without credentials before it reads the body', async () => {
    received.length = 0;
    const answer = await fetch(`${server.url}/work`, { method: 'POST', body: 'x'.repeat(1000) });
    expect(answer.status).toBe(401);
    expect(received).toEqual([]);
  });

  it('lists the allowed methods of a path in a 405, and answers 404 to an unknown path', async () => {
    const answers = await Promise.all(
      ['/work', '/work/', '/health/live', '/health'].map((path) => fetch(server.url + path, { method: 'PUT' })),
    );
    expect(answers.map(({ status, headers }) => [status, headers.get('allow')])).toEqual([
      [405, 'POST'],
      [404, null],
      [405, 'GET, HEAD'],
      [404, null],
    ]);
  });

  it('forbids storing every answer, guessing its type and showing it in a page, also where no hook runs', async () => {
    for (const path of ['/health/live', '/work', '/%']) {
      const { headers } = await fetch(server.url + path);
      expect(Object.fromEntries(headers)).toMatchObject({
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
        'referrer-policy': 'no-referrer',
      });
      for (const name of ['server', 'x-powered-by', 'strict-transport-security']) expect(headers.has(name)).toBe(false);
    }
  });

  it.each([
    ['without a request', ''],
    ['with the beginning of one', 'GET /work HTTP/1.1\r\nhost: '],
  ])('stops although a client keeps a connection %s open', async (_what, start) => {
    const stopping = await startServer();
    const socket = connect(Number(new URL(stopping.url).port), '127.0.0.1');
    const closed = once(socket, 'close');
    await once(socket, 'connect');
    socket.on('error', () => undefined).write(start);
    await fetch(stopping.url);
    await stopping.close();
    await closed;
  });

  it('releases everything when its port is in use', async () => {
    const port = Number(new URL(server.url).port);
    await expect(startServer({}, { port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
  });
});

describe('the source of a request', () => {
  const open: HttpServer[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });

  /** The source in the log line of a request with this header. */
  const sourceOf = async (trusted: string, forwardedFor: string): Promise<unknown> => {
    const server = await startServer({ TRUSTED_PROXIES: trusted });
    open.push(server);
    log = '';
    const headers = { 'content-type': 'application/json', tenant: 'acme', 'x-forwarded-for': forwardedFor };
    await fetch(`${server.url}/work`, { method: 'POST', headers, body: '{}' });
    const line = await eventually('the request is in the log', () =>
      log.split('\n').find((one) => /"source"/.test(one)),
    );
    return (JSON.parse(line) as Record<string, unknown>)['source'];
  };

  it.each([
    ['', '203.0.113.7', '127.0.0.1'],
    ['10.0.0.0/8', '203.0.113.7', '127.0.0.1'],
    ['127.0.0.1', '203.0.113.7', '203.0.113.7'],
    ['127.0.0.0/8', '198.51.100.1, 203.0.113.7', '203.0.113.7'],
    ['127.0.0.1,10.0.0.0/8', '198.51.100.1, 203.0.113.7, 10.9.8.7', '203.0.113.7'],
    ['127.0.0.1', '2001:db8::1', '2001:db8::1'],
    ['127.0.0.1', '203.0.113.7:51514', '203.0.113.7'],
    ['127.0.0.1,10.0.0.0/8', '10.1.1.1, 10.2.2.2', '10.1.1.1'],
    ['127.0.0.1', 'no address', '127.0.0.1'],
    ['127.0.0.1,10.0.0.0/8', '203.0.113.7, no address, 10.2.2.2', '10.2.2.2'],
    ['127.0.0.1', '', '127.0.0.1'],
  ])('with trusted proxies %j and X-Forwarded-For %j is %s', async (trusted, forwardedFor, source) => {
    expect(await sourceOf(trusted, forwardedFor)).toBe(source);
  });
});

describe('calls of pages of another origin', () => {
  const ORIGIN = 'https://console.example.com';
  const preflight = (url: string, origin: string): Promise<Response> =>
    fetch(`${url}/work`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'idempotency-key' },
    });

  it('are not allowed by default', async () => {
    const server = await startServer();
    const { status, headers } = await preflight(server.url, ORIGIN);
    expect(status).toBe(405);
    expect(headers.has('access-control-allow-origin')).toBe(false);
    await server.close();
  });

  it('are allowed for the listed origins and no other, without cookies', async () => {
    const server = await startServer({}, { corsOrigins: [ORIGIN] });
    const { status, headers } = await preflight(server.url, ORIGIN);
    expect([status, headers.get('access-control-allow-origin')]).toEqual([204, ORIGIN]);
    expect(headers.get('access-control-allow-headers')).toContain('idempotency-key');
    expect(headers.get('access-control-max-age')).toBe('600');
    expect(headers.has('access-control-allow-credentials')).toBe(false);
    for (const origin of ['https://evil.example.com', `${ORIGIN}.evil.example`, 'null']) {
      expect((await preflight(server.url, origin)).headers.has('access-control-allow-origin')).toBe(false);
    }
    await server.close();
  });

  it('may read the answer, which still needs credentials and has the security headers', async () => {
    const server = await startServer({}, { corsOrigins: [ORIGIN] });
    const headers = { origin: ORIGIN, 'content-type': 'application/json' };
    const refused = await fetch(`${server.url}/work`, { method: 'POST', headers, body: '{}' });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    const admitted = await fetch(`${server.url}/work`, {
      ...{ method: 'POST', body: '{}' },
      headers: { ...headers, tenant: 'acme' },
    });
    expect(admitted.status).toBe(201);
    expect(admitted.headers.get('access-control-expose-headers')).toContain('request-id');
    expect(admitted.headers.get('cache-control')).toBe('no-store');
    await server.close();
  });
});

describe('HttpServer with TLS', () => {
  it('names the client certificate in the log, and lets browsers use TLS only', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'countersign-http-'));
    const authority = await TestAuthority.create();
    const [own, client] = await Promise.all([authority.issue('server', ['127.0.0.1']), authority.issue('platform')]);
    const files = { TLS_CERT_FILE: own.cert, TLS_KEY_FILE: own.key, TLS_CLIENT_CA_FILE: authority.pem };
    const settings: Record<string, string> = {};
    for (const [name, text] of Object.entries(files)) {
      await writeFile((settings[name] = join(folder, name)), text);
    }
    const server = await startServer(settings);
    log = '';
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { ca: authority.pem, ...client, method: 'POST', agent: new Agent() };
      request(`${server.url}/work`, { ...options, headers: { tenant: 'acme' } }, resolve)
        .on('error', reject)
        .end();
    });
    response.resume();
    expect(server.url).toMatch(/^https:/);
    expect(response.headers['strict-transport-security']).toBe('max-age=31536000');
    const line = await eventually('the request is in the log', () => /.*clientCertificate.*/.exec(log)?.[0]);
    expect((JSON.parse(line) as Record<string, unknown>)['clientCertificate']).toMatch(/^platform [0-9A-F]+$/);
    await server.close();
    await rm(folder, { recursive: true });
  });
});
