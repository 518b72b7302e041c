import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@countersign/testing';
import { openWorld, type World } from '../e2e/world.js';
import { startEmbedded, type EmbeddedProduct } from '../product.js';

const START_MS = 120_000;
const TEST_MS = 60_000;
const RECEIVE_TIMEOUT_MS = 1000;
/** The promise is 1 s after the time-out. A busy machine gets more, but far less than Node's default of 30 s. */
const ENDS_WITHIN_MS = 12_000;
const BYTE_EVERY_MS = 50;

type Port = 'swaig' | 'rest' | 'ops';

/** A connection of a slow sender, and the answer that it has received. */
interface Held {
  readonly ended: boolean;
  readonly answer: string;
  readonly release: () => void;
}

describe('an attacker who sends slowly to hold connections', () => {
  let product: EmbeddedProduct;
  let world: World;
  beforeAll(async () => {
    product = await startEmbedded({ RECEIVE_TIMEOUT_MS: String(RECEIVE_TIMEOUT_MS) });
    world = await openWorld(product);
  }, START_MS);
  afterAll(() => product.remove(), START_MS);

  const urlOf = (port: Port): URL => {
    const urls = { swaig: product.swaigUrls(), rest: product.restUrls(), ops: product.opsUrls() };
    return new URL(urls[port][0] ?? '');
  };
  const basic = (): string => Buffer.from(`${world.agent.agent}:${world.agent.password}`).toString('base64');
  const headOf = (line: string, ...headers: string[]): string =>
    [line, 'host: localhost', 'content-type: application/json', 'content-length: 200000', ...headers].join('\r\n');

  /** Sends `start` at once, and then one byte of `filler` at a time: `most` of them, or until the connection ends. */
  function hold(port: Port, start: string, filler: string, most = Infinity): Held {
    const { hostname, port: number } = urlOf(port);
    const socket: Socket = connect({ host: hostname, port: Number(number) });
    let answer = '';
    let ended = false;
    socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
    // A reset also counts as the end: the server closes while bytes are in transit.
    socket.on('error', () => undefined);
    socket.on('close', () => (ended = true));
    if (start !== '') socket.write(start);
    let sent = 0;
    const trickle = setInterval(() => {
      if (filler !== '' && sent++ < most && socket.writable) socket.write(filler);
    }, BYTE_EVERY_MS);
    return {
      get ended() {
        return ended;
      },
      get answer() {
        return answer;
      },
      release: () => {
        clearInterval(trickle);
        socket.destroy();
      },
    };
  }

  const slow: readonly [what: string, answer: RegExp, port: Port, start: () => string, filler: string][] = [
    ...(['swaig', 'rest', 'ops'] as const).flatMap((port): [string, RegExp, Port, () => string, string][] => [
      [`a connection to ${port} without a byte`, /^(HTTP\/1\.1 408 .*)?$/s, port, () => '', ''],
      [`headers to ${port} that never end`, /^HTTP\/1\.1 408 /, port, () => 'GET /health/live HTTP/1.1\r\nx-a: ', 'a'],
      [
        `the body of a request to ${port} that is answered before it is read`,
        /^HTTP\/1\.1 [24]\d\d /,
        port,
        () => `${headOf('GET /health/live HTTP/1.1')}\r\n\r\n{`,
        ' ',
      ],
    ]),
    [
      "the body of an agent's function call",
      /^HTTP\/1\.1 408 /,
      'swaig',
      () => `${headOf('POST /swaig HTTP/1.1', `authorization: Basic ${basic()}`)}\r\n\r\n{`,
      ' ',
    ],
    [
      'the body of a function call without credentials',
      /^HTTP\/1\.1 401 /,
      'swaig',
      () => `${headOf('POST /swaig HTTP/1.1', 'authorization: Basic eDp4')}\r\n\r\n{`,
      ' ',
    ],
    [
      "the body of an agent's request for a verification",
      /^HTTP\/1\.1 408 /,
      'rest',
      () => `${headOf('POST /v1/verifications HTTP/1.1', `authorization: Bearer ${world.agent.apiKey}`)}\r\n\r\n{`,
      ' ',
    ],
    [
      "the body of an administrator's request",
      /^HTTP\/1\.1 408 /,
      'rest',
      () => `${headOf('PUT /v1/tenants/slow HTTP/1.1', `authorization: Bearer ${product.adminKey}`)}\r\n\r\n{`,
      ' ',
    ],
    [
      'the chunks of a body without a length',
      /^HTTP\/1\.1 408 /,
      'rest',
      () =>
        `POST /v1/verifications HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n` +
        `authorization: Bearer ${world.agent.apiKey}\r\ntransfer-encoding: chunked\r\n\r\n`,
      '1\r\n \r\n',
    ],
  ];

  describe('loses the connection soon after RECEIVE_TIMEOUT_MS with', () => {
    const held = new Map<string, Held>();
    // At the same time, because each lasts as long as the time-out.
    beforeAll(() => {
      for (const [what, , port, start, filler] of slow) held.set(what, hold(port, start(), filler));
    });
    afterAll(() => {
      for (const { release } of held.values()) release();
    });

    it.each(slow)(
      '%s',
      async (what, answer) => {
        await eventually(`${what}: the connection ends`, () => held.get(what)?.ended, ENDS_WITHIN_MS);
        expect(held.get(what)?.answer).toMatch(answer);
      },
      TEST_MS,
    );
  });

  it(
    'gets a normal answer when the request arrives in time, in parts of any size',
    async () => {
      const body = JSON.stringify({ action: 'get_signature', functions: [] });
      const head = [
        'POST /swaig HTTP/1.1',
        'host: localhost',
        'connection: close',
        `content-type: application/json`,
        `content-length: ${body.length}`,
        `authorization: Basic ${basic()}`,
      ].join('\r\n');
      const held = hold('swaig', `${head}\r\n\r\n${body.slice(0, -1)}`, body.slice(-1), 1);
      try {
        await eventually('the answer is there', () => held.ended, ENDS_WITHIN_MS);
        expect(held.answer).toMatch(/^HTTP\/1\.1 200 /);
      } finally {
        held.release();
      }
    },
    TEST_MS,
  );
});
