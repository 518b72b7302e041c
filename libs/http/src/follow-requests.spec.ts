import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { fastify, type FastifyInstance } from 'fastify';
import { followRequests } from './follow-requests.js';
import { currentTrace, readTrace, traceIdOf } from '@countersign/observability';

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

  it('is handled in the trace of its client, even with a body that arrives in parts', async () => {
    // Larger than one read of a socket, so the body is complete only after the earlier hooks have returned.
    const body = JSON.stringify('x'.repeat(600_000));
    expect(await post({ traceparent: TRACEPARENT, tracestate: 'a=1' }, body)).toEqual({
      traceparent: TRACEPARENT,
      tracestate: 'a=1',
    });
    expect(answered).toEqual([TRACEPARENT]);
  });

  it('begins a trace when its client sends none or an invalid one', async () => {
    const traces = [await post({}, '{}'), await post({ traceparent: 'mine' }, '{}')].map((answer) => readTrace(answer));
    const ids = traces.map((trace) => trace && traceIdOf(trace));
    expect(ids).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/), expect.stringMatching(/^[0-9a-f]{32}$/)]);
    expect(new Set(ids).size).toBe(2);
  });

  it('has a trace for its log line even when it is refused before it reaches the handler', async () => {
    await post({ traceparent: TRACEPARENT }, '{');
    expect(answered).toEqual([TRACEPARENT]);
  });
});
