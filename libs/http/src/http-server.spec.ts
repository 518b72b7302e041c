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
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { pino } from 'pino';
import { type Requester } from '@countersign/contracts';
import { Health } from '@countersign/observability';
import { eventually, sendPipelined, type RawRequest } from '@countersign/testing';
import { HealthController } from './health.controller.js';
import { HttpServer, RequestHooks } from './http-server.js';
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

describe('HttpServer', () => {
  let server: HttpServer;
  beforeAll(async () => {
    server = await HttpServer.start(WorkModule, {
      ...{ host: '127.0.0.1', port: 0, receiveMs: 5000, maxBodyBytes: 100, maxParamLength: 100 },
      ...{ logger: pino({ level: 'silent' }), tracer: undefined },
      // A parser runs once the turn of its request has begun.
      addBodyParsers: (fastify) =>
        fastify.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
          received.push(String(request.headers['tenant']));
          done(null, body);
        }),
      sendNotFound: (reply) => void reply.code(404).send({ status: 404 }),
    });
  });
  afterAll(() => server.close());

  const request = (tenant: string): RawRequest => ({
    ...{ method: 'POST', path: '/work', body: '{}' },
    headers: { tenant, 'content-type': 'application/json' },
  });

  it('begins a request of a quiet tenant before the rest of a burst of another tenant that arrived first', async () => {
    received.length = 0;
    const burst = Array.from({ length: 100 }, () => request('busy'));
    const close = await sendPipelined(server.url, [burst, [request('quiet')]]);
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

  it('forbids storing every answer and guessing its type, also where no hook runs', async () => {
    for (const path of ['/health/live', '/work', '/%']) {
      const { headers } = await fetch(server.url + path);
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
    }
  });

  it('releases everything when its port is in use', async () => {
    const port = Number(new URL(server.url).port);
    const options = {
      ...{ host: '127.0.0.1', port, receiveMs: 5000, maxBodyBytes: 100, maxParamLength: 100 },
      ...{ logger: pino({ level: 'silent' }), tracer: undefined, addBodyParsers: () => undefined },
      sendNotFound: () => undefined,
    };
    await expect(HttpServer.start(WorkModule, options)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
  });
});
