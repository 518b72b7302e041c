import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { fastify, type FastifyInstance } from 'fastify';
import { followRequests } from './follow-requests.js';
import { currentTrace, readTrace, traceIdOf } from './trace-context.js';

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

describe('a request over HTTP', () => {
  let server: FastifyInstance;
  let url: string;
  let answered: (string | undefined)[];

  beforeEach(async () => {
    answered = [];
    server = fastify();
    followRequests(server, undefined);
    server.addHook('onResponse', (request, _reply, done) => {
      answered.push(request.trace?.traceparent);
      done();
    });
    server.post('/', async () => {
      await new Promise((resolve) => setImmediate(resolve));
      return currentTrace() ?? {};
    });
    url = await server.listen({ port: 0, host: '127.0.0.1' });
  });

  afterEach(() => server.close());

  const post = async (headers: Readonly<Record<string, string>>, body: string): Promise<Record<string, unknown>> => {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    });
    return (await answer.json()) as Record<string, unknown>;
  };

  it('is handled as a part of its caller’s trace, however its body came', async () => {
    // Larger than one read of a socket: the rest is read when the hooks before it have long returned.
    const body = JSON.stringify('x'.repeat(600_000));
    expect(await post({ traceparent: TRACEPARENT, tracestate: 'a=1' }, body)).toEqual({
      traceparent: TRACEPARENT,
      tracestate: 'a=1',
    });
    expect(answered).toEqual([TRACEPARENT]);
  });

  it('begins a trace when its caller has none, or none that is valid', async () => {
    const traces = [await post({}, '{}'), await post({ traceparent: 'mine' }, '{}')].map((answer) => readTrace(answer));
    const ids = traces.map((trace) => trace && traceIdOf(trace));
    expect(ids).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/), expect.stringMatching(/^[0-9a-f]{32}$/)]);
    expect(new Set(ids).size).toBe(2);
  });

  it('has a trace for its log line also when it was refused before it was handled', async () => {
    await post({ traceparent: TRACEPARENT }, '{');
    expect(answered).toEqual([TRACEPARENT]);
  });
});
