import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { OperatorSessionRequested } from '@countersign/contracts';
import { eventually } from '@countersign/testing';
import { ADMIN_KEY, AGENT_KEY, API_KEYS, RestTestBed, sessionCookieOf } from '../../test/test-bed.js';
import { createSessionId } from '../operators/session-cookies.js';

const EVENT = '01926f6e-0b0a-7c3e-9b52-8e0d3a2f6f10';
/** All timers but `setInterval`. */
const TIMERS_IN_USE = [
  ...(['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'nextTick', 'queueMicrotask'] as const),
  ...(['Date', 'performance', 'hrtime'] as const),
];

describe('the audit log over the REST adapter', () => {
  let bed: RestTestBed;
  let audit: Server;
  let seen: IncomingMessage[];
  let answer: (response: ServerResponse) => void;
  beforeAll(async () => {
    audit = createServer((request, response) => {
      seen.push(request);
      answer(response);
    });
    await new Promise<void>((resolve) => audit.listen(0, '127.0.0.1', resolve));
    const { port } = audit.address() as AddressInfo;
    bed = await RestTestBed.open({ AUDIT_URL: `http://127.0.0.1:${port}`, REPLY_TIMEOUT_MS: '500' });
  });
  afterAll(async () => {
    await bed.close();
    audit.closeAllConnections();
    audit.close();
  });
  beforeEach(() => {
    seen = [];
    answer = (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"items":[]}');
  });

  it('passes query, key and true source address on, and no other header of the client', async () => {
    const { status, text } = await bed.call('GET', '/v1/events?type=attempt.decided&limit=5', {
      ...{ key: API_KEYS.audit, headers: { 'x-forwarded-for': '203.0.113.7', cookie: 'canary', 'last-event-id': '7' } },
    });
    expect([status, text]).toEqual([200, '{"items":[]}']);
    expect(seen[0]?.url).toBe('/v1/events?type=attempt.decided&limit=5');
    expect(seen[0]?.headers).toMatchObject({
      ...{ authorization: `Bearer ${API_KEYS.audit}`, 'x-forwarded-for': '127.0.0.1', 'last-event-id': '7' },
    });
    expect(seen[0]?.headers).not.toHaveProperty('cookie');
  });

  it('sends no request to a host that the request target of the client names', async () => {
    const other = createServer((request, response) => {
      reached.push(request.url ?? '');
      response.end('{}');
    });
    const reached: string[] = [];
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const host = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    const targets = [`http://${host}/v1/events`, `//${host}/v1/events`, `http://${host}//v1/events?limit=5`];
    for (const target of [...targets, 'http://[x/v1/events', 'http:///v1/events']) {
      const status = await new Promise<number | undefined>((resolve, reject) => {
        const options = { path: target, headers: { authorization: `Bearer ${ADMIN_KEY}` } };
        const sent = httpRequest(bed.adapter.urls['rest'] ?? '', options, (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        sent.once('error', reject).end();
      });
      expect([200, 400, 404]).toContain(status);
    }
    expect(reached).toEqual([]);
    other.close();
  });

  it('passes the problem of the audit service back with its status and bytes', async () => {
    answer = (response) =>
      response.writeHead(404, { 'content-type': 'application/problem+json' }).end('{"status":404}');
    const { status, text, headers } = await bed.call('GET', `/v1/events/${EVENT}`, { key: ADMIN_KEY });
    expect([status, text, headers.get('content-type')]).toEqual([404, '{"status":404}', 'application/problem+json']);
  });

  it('sends each part of a stream on while it arrives, and ends the request when the client leaves', async () => {
    let upstream: ServerResponse | undefined;
    answer = (response) => {
      upstream = response;
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('id: 1\n\n');
    };
    const leaving = new AbortController();
    const response = await fetch(`${bed.adapter.urls['rest']}/v1/events/stream`, {
      ...{ headers: { authorization: `Bearer ${API_KEYS.audit}` }, signal: leaving.signal },
    });
    const reader = response.body?.getReader();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('id: 1\n\n');
    upstream?.write('id: 2\n\n');
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('id: 2\n\n');
    leaving.abort();
    await eventually('the request to the audit service ends', () => upstream?.closed === true);
  });

  it('sends no request for an operator who leaves during the check of the session', async () => {
    let answerSession = (): void => undefined;
    const isAsked = new Promise<void>((resolve) => {
      bed.answer = (type) => {
        if (type !== OperatorSessionRequested.type) return { answer: 'not_found' };
        resolve();
        return new Promise((answerWith) => {
          const person = { issuer: null, subject: 'anna', name: 'Anna', grants: [{ role: 'auditor' }] };
          const times = { signedInAt: '2027-01-01T00:00:00Z', expiresAt: '2027-01-02T00:00:00Z' };
          const body = { ...person, ...times, secondsSinceAuthentication: 0 };
          answerSession = () => answerWith({ answer: 'found', body });
        });
      };
    });
    const leaving = new AbortController();
    const response = fetch(`${bed.adapter.urls['rest']}/v1/events/stream`, {
      ...{ headers: { cookie: sessionCookieOf(createSessionId()) }, signal: leaving.signal },
    });
    await isAsked;
    leaving.abort();
    await expect(response).rejects.toThrow();
    await setTimeout(100);
    answerSession();
    await setTimeout(200);
    expect(seen).toEqual([]);
  });

  it('breaks an answer off that the audit service breaks off, so that no client takes it for whole', async () => {
    answer = (response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' }).write('{}\n', () => response.destroy());
    };
    await expect(bed.call('GET', '/v1/events/export', { key: ADMIN_KEY })).rejects.toThrow();
  });

  it('counts an export as use of the session while the client takes it, and a live stream never', async () => {
    const uses: unknown[] = [];
    bed.answer = (type, fields) => {
      if (type !== OperatorSessionRequested.type) return { answer: 'not_found' };
      uses.push(fields['isUse']);
      const person = { issuer: null, subject: 'anna', name: 'Anna', grants: [{ role: 'auditor' }] };
      const times = { signedInAt: '2027-01-01T00:00:00Z', expiresAt: '2027-01-02T00:00:00Z' };
      return { answer: 'found', body: { ...person, ...times, secondsSinceAuthentication: 0 } };
    };
    let upstream: ServerResponse | undefined;
    answer = (response) => {
      upstream = response;
      response.writeHead(200, { 'content-type': 'application/x-ndjson' }).write('{}\n');
    };
    jest.useFakeTimers({ doNotFake: TIMERS_IN_USE });
    const check = async (): Promise<void> => {
      const before = uses.length;
      jest.advanceTimersByTime(2_000);
      await eventually('the session is checked', () => uses.length > before);
    };
    for (const path of ['/v1/events/export', '/v1/events/stream']) {
      const leaving = new AbortController();
      const response = await fetch(`${bed.adapter.urls['rest']}${path}`, {
        ...{ headers: { cookie: sessionCookieOf(createSessionId()) }, signal: leaving.signal },
      });
      const reader = response.body?.getReader();
      await reader?.read();
      await check();
      await check();
      upstream?.write('{}\n');
      await reader?.read();
      await check();
      leaving.abort();
      await eventually('the request to the audit service ends', () => upstream?.closed === true);
    }
    jest.useRealTimers();
    expect(uses).toEqual([...[true, true, false, true], ...[true, false, false, false]]);
  });

  it('answers a browser that opens an address with a refusal as text, which a page of the same site may frame', async () => {
    // The fetch of Node always sends the mode cors.
    const refusalOf = async (mode: string, path: string, key?: string) => {
      const headers = { 'sec-fetch-mode': mode, ...(key !== undefined && { authorization: `Bearer ${key}` }) };
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        httpRequest(`${bed.adapter.urls['rest']}${path}`, { headers }, resolve).once('error', reject).end();
      });
      const { status } = JSON.parse(await text(response)) as { status: number };
      const { 'content-type': answered, 'content-security-policy': policy } = response.headers;
      return [response.statusCode, answered, String(policy).split('; ').at(-1), status];
    };
    const type = 'application/problem+json; charset=utf-8';
    answer = (response) => response.writeHead(429, { 'content-type': type }).end('{"status":429}');
    const shown = ['text/plain; charset=utf-8', "frame-ancestors 'self'"] as const;
    expect(await refusalOf('navigate', '/v1/events/export', ADMIN_KEY)).toEqual([429, ...shown, 429]);
    expect(await refusalOf('navigate', '/v1/events/export')).toEqual([401, ...shown, 401]);
    const json = [type, "frame-ancestors 'none'"] as const;
    expect(await refusalOf('cors', '/v1/events', ADMIN_KEY)).toEqual([429, ...json, 429]);
    expect(await refusalOf('cors', '/v1/events/export')).toEqual([401, ...json, 401]);
  });

  it('permits a frame of the same site for an export, and for no other answer to a script', async () => {
    const policyOf = async (path: string) =>
      (await bed.call('GET', path, { key: ADMIN_KEY })).headers.get('content-security-policy');
    expect(await policyOf('/v1/events/export')).toBe("default-src 'none'; frame-ancestors 'self'");
    expect(await policyOf('/v1/events')).toBe("default-src 'none'; frame-ancestors 'none'");
  });

  it('answers 503 with a problem when the audit service does not answer in time', async () => {
    answer = () => undefined;
    const { status, body } = await bed.call('GET', '/v1/events', { key: ADMIN_KEY });
    expect([status, body['type']]).toEqual([503, 'urn:countersign:problem:unavailable']);
  });

  it.each([
    ['a key without the scope audit', AGENT_KEY, '/v1/events', 403],
    ['a wrong key', 'canary', '/v1/events', 401],
    ['a limit of 0', ADMIN_KEY, '/v1/events?limit=0', 422],
    ['a field that does not exist', ADMIN_KEY, '/v1/events?color=red', 422],
    ['an id of another form', ADMIN_KEY, '/v1/events/..%2Fcheckpoint', 422],
  ])('refuses %s itself', async (_what, key, path, status) => {
    expect((await bed.call('GET', path, { key })).status).toBe(status);
    expect(seen).toEqual([]);
  });
});
